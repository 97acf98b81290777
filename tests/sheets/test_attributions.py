"""The sheet of an attribution: its tiles, its colours and the box of the receptive field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from filterkit.normalizers.symmetric import Symmetric
from filterkit.results.attribute import Attributions
from filterkit.sheets.attributions import MARK, clipped

PICTURE = np.full((20, 30, 3), 0.5, np.float32)


def result(array: Any, **fields: Any) -> Attributions:
    given = {"position": None, "box": None, "value": 1.0, "seconds": 0.1, "provider": "cpu"} | fields
    return Attributions(
        np.asarray(array, np.float32), (), PICTURE, "net@0:1", "a.png", "a", "gradient", **given
    )


def signed() -> np.ndarray:
    array = np.zeros((3, 20, 30))
    array[0, 4, 5], array[1, 4, 6] = 2, -2
    return array


def test_the_picture_the_attribution_and_both() -> None:
    sheet = result(signed()).to_sheet(Symmetric())
    assert sheet.tiles.shape == (1, 3, 20, 30, 3)
    assert sheet.tile_labels == ("picture", "gradient", "overlay")
    picture, colours, overlay = sheet.tiles[0]
    assert np.array_equal(picture, PICTURE)
    red, blue = colours[4, 5], colours[4, 6]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert colours[0, 0].min() > 0.9  # zero is white
    assert np.array_equal(overlay[4, 5], red)
    np.testing.assert_allclose(overlay[0, 0], 0.35, atol=0.02)  # the picture, darker, where there is nothing
    assert sheet.title == "net@0:1: a, gradient"
    assert sheet.note == "value 1; red raises the value, blue lowers it; colours -2 to 2"


def test_without_negative_values_zero_is_dark() -> None:
    sheet = result(np.abs(signed())).to_sheet(Symmetric())
    colours = sheet.tiles[0, 1]
    assert colours[0, 0].max() < 0.05
    assert colours[4, 5].min() > 0.7
    assert sheet.note == "value 1; colours 0 to 2"


def test_nothing_at_all() -> None:
    sheet = result(np.zeros((1, 20, 30))).to_sheet(Symmetric())
    assert np.isfinite(sheet.tiles).all()


@pytest.mark.parametrize("box", [(2, 3, 8, 10), (0, 0, 4, 4), (15, 25, 20, 30)])
def test_a_small_receptive_field_is_enlarged(box: tuple[int, int, int, int]) -> None:
    sheet = result(signed(), box=box).to_sheet(Symmetric())
    assert sheet.tiles.shape == (2, 3, 20, 30, 3)
    assert sheet.tile_labels[3] == "receptive field"
    for row in (0, 1):
        assert (np.abs(sheet.tiles[row, 0] - MARK).max(axis=2) < 1e-6).any()
    top, left, bottom, right = box
    inside = sheet.tiles[0, 0, max(top, 1) : min(bottom, 19), max(left, 1) : min(right, 29)]
    assert np.array_equal(inside, np.full_like(inside, 0.5))  # the line is outside, where there is room


def test_a_large_one_is_only_marked() -> None:
    assert len(result(signed(), box=(0, 0, 20, 25)).to_sheet(Symmetric()).tiles) == 1


def test_outliers_are_clipped() -> None:
    values = np.ones((20, 30))
    values[3, 3] = 1000
    assert clipped(values).max() < 10
    assert clipped(np.zeros((2, 2))).max() == 0
