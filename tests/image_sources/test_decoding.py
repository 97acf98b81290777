"""Decoding in threads: in order, bounded, with errors as values; what is decoded."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterkit.errors import ImageError, UsageError
from filterkit.image_sources.decoding import content_pixels, decoded_ahead
from filterkit.image_sources.files import FileImages, image_file
from filterkit.records import Preprocessing, SourceImage
from filterkit.runtime.pictures import PictureBytes, read_picture


def numbered(count: int, pulled: list[int]) -> Iterator[SourceImage]:
    for number in range(count):
        pulled.append(number)
        yield SourceImage(str(number), lambda: b"")


@pytest.mark.parametrize("threads", [0, 1, 3, None])
def test_results_come_in_order(threads: int | None) -> None:
    def decode(image: SourceImage) -> int:
        time.sleep(0.002 * (int(image.name) % 3))
        if image.name == "5":
            raise ImageError("unreadable")
        return int(image.name)

    found = list(decoded_ahead(numbered(20, []), decode, threads=threads))
    assert [image.name for image, _ in found] == [str(number) for number in range(20)]
    assert [result for _, result in found if not isinstance(result, ImageError)] == [*range(5), *range(6, 20)]
    assert isinstance(found[5][1], ImageError)


@pytest.mark.parametrize(("threads", "most"), [(0, 1), (2, 5)])
def test_look_ahead_is_bounded(threads: int, most: int) -> None:
    pulled: list[int] = []
    results = decoded_ahead(numbered(50, pulled), lambda image: image.name, threads=threads)
    for number, _ in enumerate(results):
        assert len(pulled) <= number + most


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=20)
    found = list(decoded_ahead(numbered(6, []), lambda image: together.wait(), threads=3))
    assert len(found) == 6


def test_other_errors_end_it_and_the_rest_is_not_decoded() -> None:
    begun: list[str] = []

    def decode(image: SourceImage) -> None:
        begun.append(image.name)
        if image.name == "1":
            raise UsageError("wrong use")

    with pytest.raises(UsageError):
        list(decoded_ahead(numbered(100, []), decode, threads=1))
    assert len(begun) < 6
    results = decoded_ahead(numbered(100, []), lambda image: None, threads=2)
    next(results)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("filterkit-decode")]


def test_what_is_read_is_what_a_path_is_read_as(tmp_path: Path) -> None:
    random = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(random).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", random)
    for name in ("a.png", "b.npy"):
        [image] = FileImages().images(str(tmp_path / name))
        pixels = content_pixels(image.read(), image.name, Preprocessing())
        np.testing.assert_array_equal(pixels, random)
    np.testing.assert_array_equal(content_pixels(random, "x", Preprocessing()), random)
    for content in (b"no picture", np.zeros((2, 2, 7)), {"x": random}):
        with pytest.raises(ImageError, match=r"p\.zip!a\.png"):
            content_pixels(content, "p.zip!a.png", Preprocessing())


@pytest.mark.parametrize("suffix", [".bin", ".safetensors", ".onnx.data", ""])
def test_the_name_of_bytes_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match="zip!a"):
        read_picture(PictureBytes(f"p.zip!a{suffix}", b"123"))


def test_large_pictures_are_refused_in_every_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters of warnings belong to the process, and are as before at the end."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    for number in range(40):
        size = (9, 9) if number % 2 else (5, 5)  # the larger is a warning of Pillow
        Image.new("RGB", (6, 9) if number % 4 == 1 else size).save(tmp_path / f"{number}.png")
    before = warnings.filters[:]
    images = [image_file(tmp_path / f"{number}.png") for number in range(40)] * 3
    found = decoded_ahead(
        images, lambda each: content_pixels(each.read(), each.name, Preprocessing()), threads=8
    )
    refused = [isinstance(result, ImageError) for _, result in found]
    assert refused == [bool(number % 2) for number in range(40)] * 3
    assert warnings.filters == before
