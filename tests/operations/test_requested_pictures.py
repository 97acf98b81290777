"""Pictures of a request: sizes, names, and files that exist already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.errors import ImageError, UnknownNameError, UsageError
from filterkit.operations.requested_pictures import (
    found_pictures,
    parse_size,
    picture_name,
    source_images,
)
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import SourceImage

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


def test_a_text_may_name_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "zip:b.png", "odd:c.png"):
        Image.new("L", (2, 2)).save(name)
    Path("list.txt").write_text("zip:b.png\n")
    expected = {
        "a.png": "a.png",
        "files:a.png": "a.png",
        "filterkit.image-sources/files:a.png": "a.png",
        "./zip:b.png": "zip:b.png",
        "odd:c.png": "odd:c.png",
        "list:list.txt": "zip:b.png",
    }
    assert {spec: next(source_images(REGISTRY, spec)).name for spec in expected} == expected
    assert next(source_images(REGISTRY, Path("zip:b.png"))).name == "zip:b.png"
    for spec, message in {
        "zpi:a.zip": "unknown image-source 'zpi'",
        "zip:b.png": "file b.png does not exist",
        "c:photos": "picture c:photos does not exist",
        "my notes: 1.png": "does not exist",
        "http://example.com/a.png": "is a URL",
        "http:/example.com/a.png": "is a URL",
    }.items():
        with pytest.raises((ImageError, UsageError), match=message):
            next(source_images(REGISTRY, spec))
    with pytest.raises(UnknownNameError) as caught:
        next(source_images(REGISTRY, "lst:a.txt"))
    assert caught.value.hint == "did you mean 'list'?"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("p.zip!cat/1.png", "1"),
        ("p.zip!../../a b-(2).tar.png", "a b-(2).tar"),
        ("p.zip!cat\\2.png", "2"),
        ("p.zip!a\x1b[31m\n:*?.png", "a_[31m____".replace("[", "_")),
        ("p.zip!..png", "picture"),
        ("p.zip!" + "x" * 300 + ".png", "x" * 100),
        ("d/inputs.npz!12", "inputs_12"),
        ("cifar10/test/7", "7_7"),
    ],
)
def test_file_names_of_pictures_that_are_no_files(name: str, stem: str) -> None:
    assert picture_name(SourceImage(name, lambda: b""), 0) == (name, stem)


def test_the_content_of_a_file_is_a_picture(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Decoded as files are, with the same limits."""
    bench.add("classic")
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5).save(path)
    content = path.read_bytes()
    assert np.array_equal(bench.read_picture(content), bench.read_picture(path))
    assert bench.read_picture(content).shape == (6, 8, 3)
    layer = "classic/edge_sobel_x"
    expected = bench.feature_maps(layer, path)
    assert np.array_equal(bench.feature_maps(layer, content), expected)
    several = [*bench.iter_feature_maps(layer, [content, path])]
    assert [each.image for each in several] == ["the picture", str(path)]
    assert np.array_equal(
        bench.attribute(f"{layer}/0", content).array, bench.attribute(f"{layer}/0", path).array
    )
    for broken in (b"", b"no picture", content[:40], b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        for read in (bench.read_picture, lambda given: bench.feature_maps(layer, given)):
            with pytest.raises(ImageError, match="the picture"):
                read(broken)
