"""The result of feature visualization by itself: rows, names, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterkit.results.visualize import COLUMNS, Visualization

ARRAY = np.random.default_rng(0).random((3, 3, 8, 10), np.float32)


@pytest.fixture
def result() -> Visualization:
    return Visualization(
        array=ARRAY,
        addresses=("net/a/0", "net/a/1", "net/a/1"),
        start=(0.0, 1.0, 2.0),
        best=(5.0, 6.0, 7.0),
        last=(5.0, 6.0, 6.5),
        steps=(64, 64, 64),
        seconds=(1.0, 1.0, 1.0),
        objective="unit",
        seed=0,
        provider="cpu",
    )


def test_rows(result: Visualization) -> None:
    rows = result.to_rows(["a.png"])
    assert rows.columns == tuple(COLUMNS)
    assert [row["path"] for row in rows] == ["a.png"] * 3
    assert rows[2]["best"] == 7.0 and rows[2]["size"] == [8, 10]
    assert [row["path"] for row in result.to_rows(["a", "b", "c"])] == ["a", "b", "c"]
    assert [row["path"] for row in result.to_rows()] == [None] * 3
    assert rows.to_arrow().num_rows == 3


def test_names_are_unique(result: Visualization) -> None:
    assert result.names == ["net_a_0", "net_a_1_0", "net_a_1_1"]


def test_only(result: Visualization) -> None:
    for number in (2, -1):
        one = result.only(number)
        assert (len(one), one.best) == (1, (7.0,))
        np.testing.assert_array_equal(one.array, ARRAY[2:])


def test_as_an_array(result: Visualization) -> None:
    np.testing.assert_array_equal(np.asarray(result), ARRAY)
    assert (result.shape, result.size) == ((3, 3, 8, 10), (8, 10))


def test_saving(result: Visualization, tmp_path: Path) -> None:
    result.save(tmp_path / "all.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), ARRAY)
    result.only(0).save(tmp_path / "one.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), ARRAY[0])
    result.save(tmp_path / "all.npz")
    assert sorted(np.load(tmp_path / "all.npz")) == result.names
    result.save(tmp_path / "all")
    assert Image.open(tmp_path / "all.png").size[0] > 30


def test_how_it_looks(result: Visualization) -> None:
    assert repr(result).startswith("<Visualization of 3 pictures: unit, (3, 3, 8, 10)")
    assert "net/a/0" in repr(result.only(0))
    assert result._repr_png_().startswith(b"\x89PNG")
