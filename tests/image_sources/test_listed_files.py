"""Pictures listed in a text file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filterkit.errors import FilterkitError, ImageError, UsageError
from filterkit.image_sources.listed_files import LONGEST_LINE, ListedFiles


def listed(folder: Path, content: str | bytes) -> list[tuple[str, str | None]]:
    """Names, relative to the folder of the list, and labels."""
    file = folder / "list.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(os.path.relpath(image.name, folder), image.label) for image in ListedFiles().images(str(file))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a.png", [("a.png", None)]),
        ("b/a.png,cat\r\nc.png , big tree \r\n", [("b/a.png", "cat"), ("c.png", "big tree")]),
        ('\n"my, photo.png",cat\n\n"a ""b"".png"\n', [("my, photo.png", "cat"), ('a "b".png', None)]),
        ("\ufeffa.png,\n,\n  \n../up.png,x", [("a.png", None), ("../up.png", "x")]),
        ("list.txt", [("list.txt", None)]),
        ("b.png\na.png\nb.png", [("b.png", None), ("a.png", None), ("b.png", None)]),
        (b"caf\xe9.png,\xff", [("caf\udce9.png", "\udcff")]),
        ("a.png\rb.png", [("a.png", None), ("b.png", None)]),
    ],
)
def test_lines(tmp_path: Path, content: str | bytes, expected: list[tuple[str, str | None]]) -> None:
    assert listed(tmp_path, content) == expected


def test_absolute_paths_stay_and_are_read(tmp_path: Path) -> None:
    other = tmp_path / "other" / "a.bin"
    other.parent.mkdir()
    other.write_bytes(b"123")
    [(_, label)] = listed(tmp_path, f"{other},x")
    [image] = ListedFiles().images(str(tmp_path / "list.txt"))
    assert (image.name, image.path, image.read(), label) == (str(other), other, b"123", "x")


def test_missing_files_are_found_when_they_are_read(tmp_path: Path) -> None:
    for name in ("none.png", str(tmp_path), "\x01" * 300, "/dev/zero"):
        listed(tmp_path, name)
        [image] = ListedFiles().images(str(tmp_path / "list.txt"))
        with pytest.raises(ImageError):
            image.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lists no pictures"),
        ("\n , \n", "lists no pictures"),
        ("a.png\nb.png,1,2", "line 2 of .* has 3 columns"),
        (",cat", "line 1 of .* has no path"),
        ('a.png\n"b.png', "line 2 of .* is not CSV"),
        ('"a"b.png', "line 1 of .* is not CSV"),
        ("a.png\n" + "x" * LONGEST_LINE, "a line of .* characters or more"),
        ('"' + "x\n" * 2**17, "is not CSV"),
        ("a.png".encode("utf-16"), "not a text file"),
        (b"\x89PNG\0\0", "not a text file"),
        ("a.png\nhttps://example.com/b.png", "is a URL.*line 2"),
    ],
)
def test_malformed_lists(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(FilterkitError, match=message) as caught:
        listed(tmp_path, content)
    assert caught.value.hint


def test_the_longest_line(tmp_path: Path) -> None:
    assert len(listed(tmp_path, "x" * (LONGEST_LINE - 1))) == 1


def test_what_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a file"):
        next(ListedFiles().images(""))
    with pytest.raises(ImageError, match="does not exist"):
        next(ListedFiles().images(str(tmp_path / "none.txt")))
    with pytest.raises(ImageError, match="is a folder"):
        next(ListedFiles().images(str(tmp_path)))
