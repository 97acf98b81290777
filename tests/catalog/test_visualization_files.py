"""Pictures that are kept in the store, in files that are not trusted."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from filterkit.catalog.store import Store
from filterkit.catalog.visualization_files import LARGEST, Kept, corrupted, path_of, read, write
from filterkit.errors import CatalogError

SHA = "a" * 64
PICTURE = np.random.default_rng(0).random((3, 8, 9), np.float32)
KEPT = Kept(PICTURE, 0.5, 2.0, 1.5, 12.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_of(Store(tmp_path / "store"), SHA, {"layer": "conv", "filter": 3})


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path, 3) is None
    write(path, KEPT)
    found = read(path, 3)
    assert found is not None
    np.testing.assert_array_equal(found.picture, PICTURE)
    assert found[1:] == KEPT[1:]
    assert read(path, 4) is None
    assert read(path, 3, (8, 9)) is not None
    assert read(path, 3, (9, 8)) is None
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_every_part_of_a_request_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    requests = [{"filter": 1}, {"filter": 2}, {"filter": 1, "seed": 0}, {"filter": 1, "seed": 1}]
    assert len({path_of(store, SHA, each) for each in requests}) == 4
    assert path_of(store, SHA, {"b": 1, "a": 2}) == path_of(store, SHA, {"a": 2, "b": 1})
    with pytest.raises(CatalogError, match="is not a SHA-256"):
        path_of(store, "../elsewhere", {})


def hashed(content: bytes) -> bytes:
    """As `write` would write it."""
    return hashlib.sha256(content).hexdigest().encode() + content


NUMBERS = np.zeros(4)
HOSTILE = [
    b"",
    b"0" * 64,
    hashed(b"no arrays"),
    hashed(save({"picture": PICTURE})),
    hashed(save({"picture": PICTURE, "numbers": np.zeros(3)})),
    hashed(save({"picture": PICTURE.astype(np.float64), "numbers": NUMBERS})),
    hashed(save({"picture": PICTURE[0], "numbers": NUMBERS})),
    hashed(save({"picture": PICTURE + 1, "numbers": NUMBERS})),
    hashed(save({"picture": PICTURE * np.nan, "numbers": NUMBERS})),
    hashed(save({"picture": PICTURE[:, :0], "numbers": NUMBERS})),
    hashed(save({"picture": PICTURE, "numbers": np.full(4, np.nan)})),
]


@pytest.mark.parametrize("content", HOSTILE)
def test_other_files_are_not_used(path: Path, content: bytes) -> None:
    write(path, KEPT)
    assert list(corrupted(Store(path.parents[2]), SHA)) == []
    path.write_bytes(content)
    assert read(path, 3) is None
    assert list(corrupted(Store(path.parents[2]), SHA)) == [path]


def test_a_huge_file_is_not_read(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(2**40)
    assert read(path, 3) is None
    assert list(corrupted(Store(path.parents[2]), SHA)) == [path]


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    write(other, KEPT)
    path.parent.mkdir(parents=True)
    path.symlink_to(other)
    assert read(path, 3) is None
    with pytest.raises(CatalogError, match="symbolic link"):
        path_of(Store(tmp_path / "store"), SHA, {"layer": "conv", "filter": 3})


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_pipe_is_not_opened(path: Path) -> None:
    """Opening it blocks until another process opens its other end."""
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert read(path, 3) is None
    assert list(corrupted(Store(path.parents[2]), SHA)) == [path]
    write(path, KEPT)
    assert path.is_fifo()


def test_pictures_that_are_too_large_are_not_kept(path: Path) -> None:
    write(path, KEPT._replace(picture=np.zeros((1, 1, LARGEST // 4 + 1), np.float32)))
    assert not path.exists()
