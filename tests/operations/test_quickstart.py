"""The photo of the quickstart: copied once, and never over one of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import filterkit
from filterkit.workbench import place_photo


def test_a_photo_is_copied_under_its_suffix(photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    placed = place_photo(folder, photo, ours=False)
    assert placed == folder / "photo.png"
    assert placed.read_bytes() == photo.read_bytes()
    assert place_photo(folder, photo, ours=False) == placed


def test_a_photo_of_the_users_own_is_not_overwritten(photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    Image.new("RGB", (2, 2)).save(folder / "photo.png")
    before = (folder / "photo.png").read_bytes()
    with pytest.raises(filterkit.UsageError):
        place_photo(folder, photo, ours=False)
    assert (folder / "photo.png").read_bytes() == before
    assert place_photo(folder, photo, ours=True).read_bytes() == photo.read_bytes()


def test_a_missing_photo_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(filterkit.FilterkitError, match=r"missing\.jpg") as caught:
        place_photo(tmp_path, tmp_path / "missing.jpg", ours=False)
    assert caught.value.hint
