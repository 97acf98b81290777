"""Blurring, compared with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import random

from filterkit.attribution.baselines import blurred


@pytest.mark.parametrize("sigma", [0.7, 2.5])
def test_a_blur_is_that_of_scipy(sigma: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    picture = random(3, 20, 31)
    expected = ndimage.gaussian_filter(picture, (0, sigma, sigma), mode="nearest", radius=int(3 * sigma + 1))
    np.testing.assert_allclose(blurred(picture, sigma), expected, atol=1e-5)


def test_one_colour_stays() -> None:
    picture = np.full((3, 9, 12), 0.25, np.float32)
    np.testing.assert_allclose(blurred(picture, 50), picture, rtol=1e-6)
