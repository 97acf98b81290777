"""Sheets in files: one picture, or a folder with one per layer."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import filterkit


def test_one_file_and_a_folder(small: filterkit.Workbench, tmp_path: Path) -> None:
    [path] = small.draw(small.sheets("net/conv1"), tmp_path / "deep" / "one.png", "mosaic")
    assert path == tmp_path / "deep" / "one.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
    paths = list(small.draw(small.sheets("net"), tmp_path / "folder", "mosaic"))
    assert paths == [tmp_path / "folder" / "conv1.png", tmp_path / "folder" / "conv2.png"]
    assert all(each.stat().st_size for each in paths)


def test_several_layers_do_not_fit_into_one_file(small: filterkit.Workbench, tmp_path: Path) -> None:
    with pytest.raises(filterkit.UsageError, match=r"cannot draw 2 layers to one file, x\.png") as caught:
        list(small.draw(small.sheets("net"), tmp_path / "x.png"))
    assert "-o x" in str(caught.value.hint)
    assert not list(tmp_path.iterdir())
