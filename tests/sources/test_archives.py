"""Archives with a too large central directory or an unsupported compression method are not opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from filterkit.sources.archives import open_zip


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
