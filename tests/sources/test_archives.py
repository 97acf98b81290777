"""Archives with a too large central directory or an unsupported compression method are not opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from filterkit.errors import SourceError
from filterkit.sources.archives import open_zip
from filterkit.sources.weights_file import WeightsFile


def archive(path: Path, members: int, *, comment: bytes = b"", kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for number in range(members):
            file.writestr(f"{number:04}", b"")
        file.comment = comment
    return path


@pytest.mark.parametrize("comment", [b"", b"c" * 65_000])
def test_the_table_of_contents_may_be_so_long(tmp_path: Path, comment: bytes) -> None:
    path = archive(tmp_path / "a.zip", 10, comment=comment)
    length = 10 * (46 + 4)
    with open_zip(path, length) as opened:
        assert len(opened.infolist()) == 10
    with pytest.raises(zipfile.BadZipFile, match="central directory"):
        open_zip(path, length - 1)


@pytest.mark.slow
def test_more_members_than_the_old_format_counts(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", 70_000)
    with open_zip(path, 1 << 24) as opened:
        assert len(opened.infolist()) == 70_000
    with pytest.raises(zipfile.BadZipFile, match="central directory has"):
        open_zip(path, 70_000 * 50)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_state_what_memory_they_want(tmp_path: Path, kind: int) -> None:
    with pytest.raises(zipfile.BadZipFile, match="unsupported compression method"):
        open_zip(archive(tmp_path / "a.zip", 1, kind=kind), 1 << 24)


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
