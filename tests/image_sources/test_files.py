"""Pictures of files and folders: which, in which order, with which labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError
from filterkit.image_sources.files import FileImages

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def names_in(path: Path) -> list[str]:
    return [Path(image.name).name for image in FileImages().images(str(path))]


def test_pictures_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    names = ["1.png", "1a.png", "02.png", "2.png", "10.png", "a.png", "img.png", "img2.png", "img2-9.png"]
    names += ["img2-10.png", "img10.png", "img" + "9" * 200 + ".png", "\u0663.png"]  # an Arabic 3
    for name in reversed(names):
        saved(tmp_path / name, Image.fromarray(RGB))
    found = names_in(tmp_path)
    numbers = ["1.png", "1a.png", "02.png", "2.png", "\u0663.png", "10.png"]
    assert found[:6] == numbers
    assert found[6:] == [
        *("a.png", "img.png", "img2.png", "img2-9.png", "img2-10.png", "img10.png"),
        f"img{'9' * 200}.png",
    ]


def test_folders_stand_for_their_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner.png").mkdir(parents=True)
    (folder / "notes.txt").write_text("")
    for name in ("b.png", "a.JPG", "c.gif"):
        saved(folder / name, Image.fromarray(RGB))
    single = saved(tmp_path / "z.png", Image.fromarray(RGB))
    names = [*names_in(single), *names_in(folder)]
    assert names == ["z.png", "a.JPG", "b.png", "c.gif"]
    with pytest.raises(ImageError, match="contains no pictures"):
        names_in(folder / "inner.png")
    with pytest.raises(ImageError, match="does not exist"):
        names_in(tmp_path / "gone.png")
