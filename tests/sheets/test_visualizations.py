"""How visualizations are arranged and labelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from filterkit.results.visualize import Visualization
from filterkit.sheets.visualizations import CURVE, MOST_CURVES, curves, in_colour


def result(addresses: list[str], shape: tuple[int, ...] = (3, 8, 10)) -> Visualization:
    count = len(addresses)
    array = np.random.default_rng(0).random((count, *shape), np.float32)
    numbers: dict[str, Any] = {
        "start": (0.5,) * count,
        "best": tuple(1234.5 + place for place in range(count)),
        "last": (2.0,) * count,
        "steps": (64,) * count,
        "seconds": (1.25,) * count,
    }
    return Visualization(array, tuple(addresses), objective="channel", seed=3, provider="cpu", **numbers)


def test_filters_of_a_layer() -> None:
    three = result(["net/conv/0", "net/conv/7", "net/conv/9"])
    sheet = replace(three, best=(1234.4, 1235.6, 12345.6)).to_sheet()
    assert sheet.count == 3
    assert sheet.tile_labels == ("0: 1234", "7: 1236", "9: 12346")
    assert sheet.title.startswith("net/conv")
    assert "64 steps" in sheet.note and "seed 3" in sheet.note
    assert sheet.addresses == ("net/conv/0", "net/conv/7", "net/conv/9")


def test_a_row_for_each_layer() -> None:
    sheet = result([f"net/{layer}/{number}" for layer in "abc" for number in (0, 5)]).to_sheet()
    assert sheet.row_labels == ("a", "b", "c")
    assert sheet.tiles.shape == (3, 2, 8, 10, 3)
    assert sheet.tile_labels[3].startswith("5: ")


def test_layers_of_different_length_are_labelled_one_by_one() -> None:
    sheet = result(["net/a/0", "net/a/1", "net/b/0"]).to_sheet()
    assert sheet.row_labels == ()
    assert sheet.tile_labels[2].startswith("b/0: ")


@pytest.mark.parametrize(
    ("channels", "drawn"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2])]
)
def test_colours(channels: int, drawn: list[int]) -> None:
    picture = np.random.default_rng(0).random((channels, 4, 5), np.float32)
    np.testing.assert_array_equal(in_colour(picture), picture[drawn].transpose(1, 2, 0))


@pytest.mark.parametrize("samples", [1, 50, 192, 5000])
def test_a_curve_has_no_gaps(samples: int) -> None:
    drawn = curves(np.sin(np.linspace(0, 6.3, samples, dtype=np.float32))[None])
    assert drawn.shape == (*CURVE, 3)
    inked = drawn[..., 0] < 0.5
    assert inked.any(axis=0).all()
    assert all((inked[:, place] | inked[:, place + 1]).any() for place in range(CURVE[1] - 1))
    top, bottom = inked.argmax(axis=0), CURVE[0] - 1 - inked[::-1].argmax(axis=0)
    assert (np.maximum(top[1:], top[:-1]) <= np.minimum(bottom[1:], bottom[:-1]) + 1).all()


def test_curves_are_drawn_up_to_a_limit() -> None:
    assert curves(np.zeros((9, 100), np.float32)).shape[0] == MOST_CURVES * CURVE[0]
