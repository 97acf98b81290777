"""Eigen-CAM, compared with NumPy's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from small_cnn import PIXELS

import filterkit


@pytest.mark.parametrize("layer", ["conv1", "conv3"])
def test_it_is_the_first_principal_component(cnn: filterkit.Workbench, layer: str) -> None:
    maps = np.asarray(cnn.feature_maps(f"cnn/{layer}", PIXELS), float)
    places = maps.reshape(len(maps), -1).T
    direction = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)[2][0]
    expected = (places @ direction).reshape(maps.shape[1:])
    expected = np.maximum(expected if expected.sum() > 0 else -expected, 0)
    found = cnn.attribute("cnn@0:1", PIXELS, method=f"eigen-cam:layer={layer}").array[0]
    if layer == "conv1":  # of the picture's size
        np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())
    else:  # four times smaller: the middle of each block lies between two pixels
        middle = found.reshape(10, 4, 12, 4)[:, 1:3, :, 1:3].mean(axis=(1, 3))
        np.testing.assert_allclose(middle[1:-1, 1:-1], expected[1:-1, 1:-1], atol=0.3 * expected.max())


def test_it_does_not_depend_on_the_target(cnn: filterkit.Workbench) -> None:
    first, second = (cnn.attribute(f"cnn@0:{entry}", PIXELS, method="eigen-cam").array for entry in (1, 3))
    assert np.array_equal(first, second)


def test_more_filters_than_positions(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn@0:1", PIXELS, method="eigen-cam", size="8")
    assert found.shape == (1, 8, 8)
    assert np.isfinite(found.array).all()
