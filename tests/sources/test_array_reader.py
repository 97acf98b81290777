"""Arrays of weights files: their format by the first bytes, and limits on headers and counts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import random
from safetensors.numpy import save_file
from weight_files import read, write_h5

from filterkit.errors import SourceError, UsageError
from filterkit.sources.weights_file import WeightsFile


def fetch(path: Path) -> None:
    WeightsFile().fetch(str(path), path.parent, lambda *_: None)


@pytest.mark.slow
def test_arrays_in_an_archive_are_counted(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", w=np.ones((2, 2, 3, 3), np.float32))
    one = zipfile.ZipFile(tmp_path / "one.npz").read("w.npy")
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as file:
        for number in range((1 << 16) + 1):
            file.writestr(f"{number}.npy", one)
    with pytest.raises(SourceError, match="contains 65,537 arrays; the limit is 65,536"):
        fetch(tmp_path / "net.npz")


def test_a_header_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """Its length is a number of four bytes, and zeros pack to a thousandth."""
    zeros = bytes(1 << 24)
    with (
        zipfile.ZipFile(tmp_path / "net.npz", "w", zipfile.ZIP_DEFLATED) as file,
        file.open("w.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little"))
        for _ in range(16):
            member.write(zeros)
    with pytest.raises(SourceError, match=r"cannot read net\.npz as \.npz"):
        fetch(tmp_path / "net.npz")


def test_a_safetensors_header_may_be_so_long(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    head = b'{"w":{"dtype":"F32","shape":[2,2,1,1],"data_offsets":[0,16]}}'
    for length, fits in ((1 << 24, True), ((1 << 24) + 8, False)):
        path.write_bytes(length.to_bytes(8, "little") + head.ljust(length) + bytes(16))
        if fits:
            fetch(path)
        else:
            with pytest.raises(SourceError, match="its header has 16,777,224 bytes, more than 16,777,216"):
                fetch(path)


@pytest.mark.parametrize("name", ["old.pth", "net.bin", "net", "weights.hdf5", "net.npz", "net.h5"])
@pytest.mark.parametrize("kind", ["safetensors", "npz", "h5"])
def test_what_a_file_is_its_first_bytes_tell(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"made.{kind}"
    kernel = random(3, 3, 3, 8)
    if kind == "safetensors":
        save_file({"conv.kernel": kernel, "conv.bias": random(8)}, path)
    elif kind == "npz":
        np.savez(path, **{"conv.kernel": kernel, "conv.bias": random(8)})
    else:
        write_h5(path, {"conv/kernel": kernel, "conv/bias": random(8)})
    path.rename(tmp_path / name)
    [bank] = read(tmp_path / name, tmp_path / "work").values()
    np.testing.assert_array_equal(bank.weights, kernel.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("name", ["old.pth", "net.bin", "net", "net.safetensors", "net.npz", "net.h5"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\x1f\x8b" + bytes(20), "a gzip archive"),
    ],
)
def test_what_a_file_is_instead_of_weights(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=f"{name} is not a weights file but {what}") as caught:
        read(tmp_path / name, tmp_path / "work")
    assert caught.value.hint


def test_a_file_of_pytorch(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.pth", "w") as archive:
        archive.writestr("old/data.pkl", b"")
    with pytest.raises(UsageError, match=r"cannot read weights from 'old\.pth'") as caught:
        read(tmp_path / "old.pth", tmp_path / "work")
    assert "save only the weights" in (caught.value.hint or "")
    (tmp_path / "old.pth").rename(tmp_path / "old.npz")
    with pytest.raises(SourceError, match=r"old\.npz is not a weights file but a PyTorch file"):
        read(tmp_path / "old.npz", tmp_path / "work")
