"""Inputs of networks that take no pictures."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filterkit.errors import FilterkitError, ImageError
from filterkit.image_sources.npz_inputs import NpzInputs
from filterkit.records import SourceImage

SOUND = np.arange(24, dtype=np.float32).reshape(4, 2, 3)


def inputs(path: Path) -> list[SourceImage]:
    return list(NpzInputs().images(str(path)))


def content(image: SourceImage) -> dict[str, Any]:
    found = image.read()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_first_axis_counts(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "in.npz"
    save(path, sound=SOUND, ids=np.arange(4), rate=np.float32(2), turned=np.asfortranarray(SOUND))
    found = inputs(path)
    assert [image.name for image in found] == [f"{path}!{number}" for number in range(4)]
    assert all(image.inputs and image.path is None for image in found)
    for number, image in enumerate(found):
        read = content(image)
        assert list(read) == ["sound", "ids", "rate", "turned"]
        for name in ("sound", "turned"):
            np.testing.assert_array_equal(read[name], SOUND[number : number + 1])
        assert (read["ids"].tolist(), read["rate"].shape, float(read["rate"])) == ([number], (), 2)
        assert not isinstance(read["sound"], np.memmap)


def test_arrays_without_compression_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, x=np.ones((64, 1 << 17)))
    tracemalloc.start()
    try:
        total = sum(content(image)["x"].sum() for image in NpzInputs().images(str(path)))
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 8
    finally:
        tracemalloc.stop()
    assert total == 64 << 17


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros((2, 2))}, r"different numbers of inputs \(x 3, y 2\)"),
        ({"x": np.zeros((0, 2))}, "contains no inputs"),
        ({"x": np.zeros((2, 0))}, "contains no inputs"),
        ({"x": np.float32(1)}, "contains no inputs"),
        ({}, "contains no inputs"),
        ({"x": np.array([{}, 1], object)}, "plain arrays"),
    ],
)
def test_arrays_that_are_no_inputs(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(FilterkitError, match=message):
        inputs(tmp_path / "in.npz")


def header(shape: str, size: int = 0) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(size)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("shape", ["(1000000000000,)", "(-1,)", "(99999999999, 0)", "(1,)" + "*9"])
def test_shapes_of_strangers(tmp_path: Path, method: int, shape: str) -> None:
    with zipfile.ZipFile(tmp_path / "in.npz", "w", method) as made:
        made.writestr("x.npy", header(shape))
    with pytest.raises(FilterkitError):
        inputs(tmp_path / "in.npz")


def test_every_changed_byte_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "in.npz"
    np.savez(path, x=np.ones((2, 2)), y=np.float32(1))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x81]) + whole[place + 1 :])
        try:
            for image in inputs(path)[:9]:
                content(image)
        except FilterkitError as error:
            assert "\n" not in error.message


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        inputs(tmp_path / "none.npz")
    (tmp_path / "a.npz").write_bytes(b"no")
    with pytest.raises(FilterkitError, match=r"not an \.npz file"):
        inputs(tmp_path / "a.npz")
