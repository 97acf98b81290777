"""Pictures of files and folders: which, in which order, with which labels."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError, UsageError
from filterkit.image_sources.files import FileImages, read_file

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


def found(path: Path) -> dict[str, str | None]:
    """From each picture to its label; names are relative to the folder."""
    images = FileImages().images(str(path))
    return {Path(image.name).relative_to(path).as_posix(): image.label for image in images}


def test_one_folder_per_class(tmp_path: Path) -> None:
    for name in (
        "tree/2.png",
        "cat/10.png",
        "cat/9.png",
        "tree/more/1.png",
        "class 10/a.png",
        "class 9/a.png",
    ):
        saved(tmp_path / name, Image.fromarray(RGB))
    (tmp_path / "cat" / "notes.txt").write_text("")
    assert found(tmp_path) == {
        "cat/9.png": "cat",
        "cat/10.png": "cat",
        "class 9/a.png": "class 9",
        "class 10/a.png": "class 10",
        "tree/2.png": "tree",
        "tree/more/1.png": "tree",
    }
    assert list(found(tmp_path))[:4] == ["cat/9.png", "cat/10.png", "class 9/a.png", "class 10/a.png"]


def test_labels_need_more_than_one_folder_and_no_other_pictures(tmp_path: Path) -> None:
    saved(tmp_path / "data" / "cat" / "1.png", Image.fromarray(RGB))
    assert found(tmp_path) == {"data/cat/1.png": None}
    saved(tmp_path / "data" / "tree" / "1.png", Image.fromarray(RGB))
    assert found(tmp_path) == {"data/cat/1.png": "cat", "data/tree/1.png": "tree"}
    saved(tmp_path / "data" / "1.png", Image.fromarray(RGB))
    assert set(found(tmp_path).values()) == {None}
    saved(tmp_path / "1.png", Image.fromarray(RGB))
    assert found(tmp_path) == {"1.png": None}


def test_arrays_stand_in_for_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RGB)
    assert names_in(tmp_path) == ["a.npy"]
    (tmp_path / "a.npy").rename(saved(tmp_path / "x" / "b.png", Image.fromarray(RGB)).with_name("a.npy"))
    assert names_in(tmp_path) == ["b.png"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    picture = saved(own / "cat" / "1.png", Image.fromarray(RGB))
    saved(other / "2.png", Image.fromarray(RGB))
    (own / "round").symlink_to(own)
    (own / "out").symlink_to(other)
    (own / "cat" / "linked.png").symlink_to(other / "2.png")
    (own / "cat" / "broken.png").symlink_to(other / "3.png")
    assert list(found(own)) == ["cat/1.png", "cat/linked.png"]
    picture.unlink()
    (own / "cat" / "linked.png").unlink()
    with pytest.raises(ImageError, match="contains no pictures") as caught:
        found(own)
    assert caught.value.hint == "links to folders are not followed"
    (own / "there.png").symlink_to(other / "3.png")
    with pytest.raises(ImageError, match="contains no pictures") as caught:
        found(own)
    assert caught.value.hint == "there.png is a link to a file that does not exist"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_without_permission(tmp_path: Path) -> None:
    saved(tmp_path / "cat" / "1.png", Image.fromarray(RGB))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    *_, last = FileImages().images(str(tmp_path))
    with pytest.raises(ImageError, match=r"cannot read folder .*locked"):
        last.read()


def test_what_a_picture_is_read_as(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    [image] = FileImages().images(str(path))
    assert (image.name, image.path, image.inputs) == (str(path), path, False)
    assert image.read() == path.read_bytes()
    path.unlink()
    with pytest.raises(ImageError, match="does not exist"):
        image.read()
    os.mkfifo(path)  # reading it would block
    with pytest.raises(ImageError, match="is not a file"):
        image.read()


def test_the_size_of_a_file_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    monkeypatch.setattr("filterkit.image_sources.files.MOST_BYTES", 10)
    path.write_bytes(bytes(10))
    assert len(read_file(path)) == 10
    path.write_bytes(bytes(11))
    with pytest.raises(ImageError, match="limit of 10 bytes"):
        read_file(path)


def test_nothing_and_urls_are_refused() -> None:
    for spec, message in (("", "needs a path"), ("https://example.com/a.png", "is a URL")):
        with pytest.raises(UsageError, match=message):
            next(FileImages().images(spec))


def test_reading_takes_no_more_memory_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_file(path) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
