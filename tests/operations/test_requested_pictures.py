"""Pictures of a request: sizes, names, and files that exist already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError, UsageError
from filterkit.operations.requested_pictures import found_pictures, parse_size, picture_name
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

REGISTRY = Registry(load_plugins(discover=False))


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, None), ("original", "original"), ("224", (224, 224)), ("240x320", (240, 320)), ("8X9", (8, 9))],
)
def test_sizes(text: str | None, size: object) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "0", "-3", "224x", "x224", "2.5", "1e3", "224x0", "big"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)
    with pytest.raises(UsageError, match="has more than"):
        parse_size("100000x100000")


def test_folders_are_replaced_by_their_pictures_in_natural_order(tmp_path: Path) -> None:
    for name in ("img10.png", "img2.png", "IMG1.png"):
        Image.new("L", (2, 2)).save(tmp_path / name)
    array = np.zeros((2, 2), np.uint8)
    found = list(found_pictures(REGISTRY, [tmp_path, array]))
    assert [Path(each.name).name for each in found[:-1]] == ["IMG1.png", "img2.png", "img10.png"]
    assert found[-1] is array
    assert picture_name(found[0], 0) == (str(tmp_path / "IMG1.png"), "IMG1")
    assert picture_name(array, 3) == ("picture 3", "picture_3")


def test_a_missing_picture_whose_name_was_split_has_a_hint(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "my photo.png")
    with pytest.raises(UsageError) as caught:
        list(found_pictures(REGISTRY, [str(tmp_path / "my"), "photo.png"]))
    assert "quote names that contain spaces" in str(caught.value.hint)
    with pytest.raises(ImageError):
        list(found_pictures(REGISTRY, [str(tmp_path / "none.png")]))
