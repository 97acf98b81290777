"""One layer's filters, or one kernel, over one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picture_networks import PIXELS

import filterkit


def test_it_is_the_networks_own_convolution(small: filterkit.Workbench, photo: Path) -> None:
    alone = small.convolve("net/conv1", photo, provider="cpu")
    before = small.feature_maps("net/conv1", photo, at="pre", provider="cpu")
    assert alone.array.shape == (4, *PIXELS.shape[:2])
    np.testing.assert_allclose(alone.array, before.array, atol=1e-4)


def test_one_kernel_over_the_gray_picture(small: filterkit.Workbench) -> None:
    gray = PIXELS @ np.array([0.299, 0.587, 0.114]) / 255
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    height, width = gray.shape
    expected = sum(
        kernel[y, x] * gray[y : y + height - 2, x : x + width - 2] for y in range(3) for x in range(3)
    )
    maps = small.convolve("classic/edge_sobel_x", PIXELS, provider="cpu")
    np.testing.assert_allclose(maps.array[0], expected, atol=1e-5)


def test_filters_of_several_layers_are_wrong_use(small: filterkit.Workbench) -> None:
    with pytest.raises(filterkit.UsageError, match="names 2"):
        small.convolve("net", PIXELS)
