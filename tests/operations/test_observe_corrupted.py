"""Stores and catalogs of observations that filterkit did not write, or not like this."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observed import write_pictures
from safetensors.numpy import load_file, save_file
from small_network import write_network

import filterkit
from filterkit.errors import CatalogError, FilterkitError, NotFoundError

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", 6, classes=1)


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path, photos: Path) -> filterkit.Workbench:
    bench.add(write_network(tmp_path / "net.onnx"))
    bench.observe("net", [photos], top=3, keep_pictures=True)
    return bench


@pytest.fixture
def folder(net: filterkit.Workbench, tmp_path: Path) -> Path:
    """The folder of the observation in the store."""
    [folder] = (tmp_path / "catalog.store" / "observations").iterdir()
    return folder


def rewrite(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Change an array of a state."""

    def harm(path: Path) -> None:
        arrays = dict(load_file(path))
        arrays[name] = np.ascontiguousarray(change(arrays[name].copy()))
        save_file(arrays, path)

    return harm


def fill(value: Any) -> Callable[[Any], Any]:
    return lambda array: np.full_like(array, value)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 40)


STATES: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b"") and None,
    "short": lambda path: path.write_bytes(path.read_bytes()[:-1]) and None,
    "long": lambda path: path.write_bytes(path.read_bytes() + b"\0") and None,
    "sparse": make_sparse,
    "folder": replace_by_folder,
    "pipe": replace_by_pipe,
    "dtype": rewrite("max", lambda array: array.astype(np.float64)),
    "shape": rewrite("max", lambda array: array[:-1]),
    "negative counts": rewrite("counts", fill(-1)),
    "more pictures": rewrite("counts", fill(1 << 40)),
    "pictures that do not exist": rewrite("highest.pictures", fill(1 << 40)),
    "negative pictures": rewrite("lowest.pictures", fill(-7)),
    "negative places": rewrite("highest.places", fill(-1)),
    "values": rewrite("lowest.values", fill(np.nan)),
    "infinite values": rewrite("highest.values", fill(np.inf)),
    "sums": rewrite("squares", fill(np.inf)),
    "maxima": rewrite("max", fill(np.nan)),
    "buckets": rewrite("maxima.keys", fill(1 << 50)),
    "counts of buckets": rewrite("maxima.counts", fill(-1)),
}


@posix
@pytest.mark.parametrize("harm", STATES)
def test_states(net: filterkit.Workbench, folder: Path, photos: Path, tmp_path: Path, harm: str) -> None:
    before = list(net.exemplars("net/conv1"))
    STATES[harm](folder / "0.safetensors")
    write_pictures(photos, 2, classes=1, start=20)
    with pytest.raises(CatalogError, match=r"missing or corrupted|corrupted: pictures") as caught:
        net.observe("net", [photos], top=3)
    assert "\n" not in caught.value.message
    assert list(net.exemplars("net/conv1")) == before
    faults = net.examine()["faults"]
    assert (len(faults) == 1) == (harm != "more pictures")
    assert all(fault["do"].startswith("filterkit remove net --observation photos") for fault in faults)
    net.remove("net", observation="photos")
    mine = folder / "0.safetensors" / "mine.txt"
    assert mine.exists() == (harm == "folder")
    assert net.observe("net", [photos], top=3).pictures == 8
    assert [
        path for path in (tmp_path / "catalog.store").glob("observations/*/*.safetensors") if path.is_file()
    ]


@posix
@pytest.mark.parametrize("harm", ["short", "empty", "folder", "pipe", "missing"])
def test_responses_by_picture(net: filterkit.Workbench, folder: Path, photos: Path, harm: str) -> None:
    """What was appended to is as long as the state says, and is not filled with zeros."""
    path = folder / "1.f32"
    if harm == "missing":
        path.unlink()
    else:
        STATES[harm](path)
    write_pictures(photos, 2, classes=1, start=20)
    with pytest.raises(CatalogError, match=r"missing or corrupted|cannot be written"):
        net.observe("net", [photos], top=3)
    [fault] = net.examine()["faults"]
    assert str(path) in fault["what"]


@posix
@pytest.mark.parametrize("name", ["0.safetensors", "1.f32", "", "../../observations"])
def test_links(net: filterkit.Workbench, folder: Path, photos: Path, tmp_path: Path, name: str) -> None:
    """In place of files and folders; even where they lead to what was there."""
    there = (folder / name).resolve()
    moved = tmp_path / "moved"
    there.rename(moved)
    there.symlink_to(moved)
    before = {path: path.read_bytes() for path in moved.rglob("*") if path.is_file()}
    write_pictures(photos, 2, classes=1, start=20)
    with pytest.raises(CatalogError, match="symbolic link"):
        net.observe("net", [photos], top=3)
    faults = net.examine()["faults"]
    assert [str(there) in fault["what"] for fault in faults] == [True]
    with suppress(CatalogError):
        net.remove("net", observation="photos")
    assert {path: path.read_bytes() for path in moved.rglob("*") if path.is_file()} == before


def test_only_files_that_filterkit_wrote_are_removed(
    net: filterkit.Workbench, folder: Path, tmp_path: Path
) -> None:
    mine = [
        "notes.txt",
        "0.safetensors.bak",
        "0123.txt",
        "a.picture",
        "5.f32/mine",
        f"{'a' * 64}.picture/mine",
    ]
    for name in mine:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    beside = folder.parent / "mine"
    beside.write_text("mine")
    net.remove("net", observation="photos")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == (
        sorted(mine)
    )
    net.remove("net")
    assert beside.read_text() == "mine"


def test_altered_copies_of_pictures(net: filterkit.Workbench, folder: Path, photos: Path) -> None:
    kept = sorted(folder.glob("*.picture"))
    kept[0].write_bytes(b"something else")
    kept[1].unlink()
    kept[1].mkdir()
    faults = net.examine()["faults"]
    assert [str(path) in fault["what"] for path, fault in zip(kept[:2], faults, strict=True)] == [True] * 2
    assert faults[0]["do"].startswith(f"rm {kept[0]}")
    assert faults[1]["do"].startswith(f"move the folder {kept[1]} elsewhere")
    kept[1].rmdir()
    net.observe("net", [photos], top=3, keep_pictures=True)
    assert net.examine()["faults"] == []


def alter(bench: filterkit.Workbench, location: Path, statement: str, *values: Any) -> None:
    bench.close()
    with closing(sqlite3.connect(location)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement, values)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("folder", "../../x"),
        ("folder", ""),
        ("folder", "/" + "a" * 63),
        ("folder", "A" * 64),
        ("name", "../x"),
        ("name", "a\nb"),
        ("options", "{}"),
        ("options", "[]"),
        ("options", '{"at": "post", "size": null, "top": 1000000000, "duplicates": "skip"}'),
        ("options", '{"at": "both", "size": null, "top": 3, "duplicates": "skip"}'),
        ("pictures", -1),
        ("pictures", "x"),
        ("pictures_sha256", "x"),
    ],
)
def test_rows_of_observations(
    net: filterkit.Workbench, tmp_path: Path, photos: Path, column: str, value: Any
) -> None:
    alter(net, tmp_path / "catalog.db", f"UPDATE observation SET {column} = ?", value)
    for ask in (
        lambda: net.exemplars("net/conv1"),
        lambda: net.observe("net", [photos], name="photos", top=3),
        lambda: net.remove("net", observation="photos"),
    ):
        try:
            ask()
        except FilterkitError as error:
            assert "\n" not in error.message
            assert error.hint
    with filterkit.open(tmp_path / "catalog.db") as bench:
        assert any("corrupted" in fault["what"] for fault in bench.examine()["faults"])


@posix
@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/dev/zero", "/proc/kmsg", "/proc/self/mem", "/proc/self/environ", "..", "", "huge"],
)
def test_paths_of_pictures(net: filterkit.Workbench, photos: Path, tmp_path: Path, path: str) -> None:
    """Files that block, have no end or are a terabyte are not read."""
    shutil.rmtree(next((tmp_path / "catalog.store" / "observations").iterdir()))
    if path == "huge":
        path = str(tmp_path / "huge")
        with Path(path).open("wb") as file:
            file.truncate(1 << 40)
    alter(net, tmp_path / "catalog.db", "UPDATE image SET path = ?", path)
    with filterkit.open(tmp_path / "catalog.db") as bench:
        with pytest.raises(NotFoundError, match="none of the"):
            bench.sheet(bench.exemplars("net/conv1"))
        found = bench.exemplars("net/conv1", pictures=[photos])
        assert bench.sheet(found).count == 12
        assert found.missing == ()
