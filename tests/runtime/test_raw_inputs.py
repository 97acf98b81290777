"""Arrays of untrusted .npz and .npy files: read as NumPy reads them, or refused before memory is used."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from filterkit.errors import ImageError, NotFoundError, UsageError
from filterkit.runtime.raw_inputs import MOST_BYTES, read_array, read_inputs

ARRAYS = {
    "x": np.random.default_rng(0).random((2, 3, 4), np.float32),
    "file": np.asfortranarray(np.arange(6, dtype=">i8").reshape(2, 3)),
    "a/b": np.array(True),
    "none": np.zeros((0, 3)),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_under_their_names(tmp_path: Path, compressed: bool) -> None:
    with zipfile.ZipFile(tmp_path / "in.npz", "w", 8 if compressed else 0) as archive:
        for name, array in ARRAYS.items():
            with archive.open(f"{name}.npy", "w") as file:
                npy.write_array(file, array)
        archive.writestr("README", "no array")
    found = read_inputs(tmp_path / "in.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_an_array_comes_back(tmp_path: Path) -> None:
    for array in ARRAYS.values():
        np.save(tmp_path / "a.npy", array)
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array, strict=True)


def claiming(shape: tuple[int, ...]) -> bytes:
    """A file of one byte that declares an array of `shape`."""
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"x"


@pytest.mark.parametrize("shape", [(2,), (1 << 40,), (-1,), (-1, -1), (1 << 62, 4)])
def test_claims_beyond_the_file_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "a.npy").write_bytes(claiming(shape))
    with pytest.raises(ImageError, match=r"not an \.npy file of a plain array"):
        read_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("a.npy", claiming(shape))
    with pytest.raises(UsageError, match=r"not an \.npz file of plain arrays"):
        read_inputs(tmp_path / "in.npz")


def test_what_is_true_of_a_claim_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(claiming((1,)))
    assert read_array(tmp_path / "a.npy").tolist() == [ord("x")]


def test_archives_unpack_to_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_BYTES == 1 << 30
    np.savez_compressed(tmp_path / "in.npz", x=np.zeros(900, np.uint8), y=np.zeros(900, np.uint8))
    unpacked = 2 * (900 + 128)
    monkeypatch.setattr("filterkit.runtime.raw_inputs.MOST_BYTES", unpacked)
    assert read_inputs(tmp_path / "in.npz").keys() == {"x", "y"}
    monkeypatch.setattr("filterkit.runtime.raw_inputs.MOST_BYTES", unpacked - 1)
    with pytest.raises(UsageError, match="unpacks to 2,056 bytes; the limit is 2,055"):
        read_inputs(tmp_path / "in.npz")
    np.savez(tmp_path / "in.npz", x=np.zeros(4000, np.uint8))  # stored, it is as large as it says
    assert read_inputs(tmp_path / "in.npz")["x"].shape == (4000,)


def test_what_holds_no_plain_arrays_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "in.npz", a=np.array([{}], object))
    with pytest.raises(ImageError):
        read_array(tmp_path / "a.npy")
    for content in ((tmp_path / "in.npz").read_bytes(), b"", b"PK"):
        (tmp_path / "in.npz").write_bytes(content)
        with pytest.raises(UsageError) as caught:
            read_inputs(tmp_path / "in.npz")
        assert "numpy.savez" in str(caught.value.hint)
    with pytest.raises(NotFoundError):
        read_inputs(tmp_path / "none.npz")
