"""Attributions are arrays, rows and pictures."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from picture_networks import PIXELS
from PIL import Image
from safetensors.numpy import load_file

import filterkit
from filterkit.errors import UsageError
from filterkit.results.attribute import Attributions


@pytest.fixture
def found(bench: filterkit.Workbench) -> Attributions:
    return bench.attribute("net/conv1/2", PIXELS, position=(3, 7))


def test_it_is_an_array(found: Attributions) -> None:
    assert found.shape == np.asarray(found).shape == (3, 40, 60)
    assert np.array_equal(found.total, found.array.sum(axis=0))
    assert found.sum == pytest.approx(found.array.sum(), rel=1e-5)
    assert np.asarray(found, np.float64).dtype == np.float64


def test_repr(found: Attributions) -> None:
    assert repr(found).startswith("<Attributions of net/conv1/2 at 3,7 to picture 0: gradient, value ")
    assert len(repr(found)) < 200


def test_rows(found: Attributions) -> None:
    row = found.to_row("a.png")
    assert list(row) == [
        *("target", "image", "method", "value", "position", "box", "sum", "seconds", "provider", "path")
    ]
    assert (row["position"], row["box"], row["path"]) == ([3, 7], [2, 6, 5, 9], "a.png")


def test_captions(found: Attributions) -> None:
    value, field, *_ = found.captions
    assert value.endswith(" at 3,7")
    assert field == "receptive field 3 × 3"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_arrays_are_saved(found: Attributions, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    found.save(path)
    if suffix == ".npy":
        array = np.load(path)
    elif suffix == ".npz":
        array = np.load(path)["picture_0"]
    else:
        array = load_file(path)["picture_0"]
    assert np.array_equal(array, found.array)
    with pytest.raises(UsageError, match="which are not drawn"):
        found.save(path, normalizer="minmax")


def test_pictures_are_saved(found: Attributions, tmp_path: Path) -> None:
    found.save(tmp_path / "a")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > picture.height
    assert found._repr_png_().startswith(b"\x89PNG")


def test_it_can_be_pickled(found: Attributions) -> None:
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again.array, found.array)
    assert again.to_row() == found.to_row()
