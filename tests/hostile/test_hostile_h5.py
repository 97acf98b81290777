"""HDF5 files that keep the library busy, or take all memory: read in another process, within limits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from isolated import Run
from onnx_graphs import random

from filterkit.errors import SourceError
from filterkit.sources.h5_arrays import h5_arrays

KERNEL = random(3, 3, 3, 4)


def nested(depth: int) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        group: h5py.Group = file
        for _ in range(depth):
            group = group.create_group("g")
        group["kernel"] = KERNEL

    return write


def many(count: int) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        kind = h5py.h5s.create(h5py.h5s.SCALAR)
        for place in range(count):
            h5py.h5d.create(file.id, str(place).encode(), h5py.h5t.IEEE_F32LE, kind)
        file["kernel"] = KERNEL

    return write


def long_attribute(length: int) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        file["kernel"] = KERNEL
        file.attrs["layer_names"] = np.zeros(length, "S4")

    return write


def huge_chunk(file: h5py.File) -> None:
    """A thousand numbers in a chunk of 500 MB, which packs to next to nothing."""
    chunks = (128, 128, 64, 128)
    array = file.create_dataset(
        "kernel", KERNEL.shape, "f4", chunks=chunks, maxshape=(None,) * 4, compression="gzip"
    )
    array[...] = 1


def slashes(file: h5py.File) -> None:
    """What lies in the file is found by its name, and names lead to other files."""
    file["kernel"] = KERNEL
    file["away"] = h5py.ExternalLink("other.h5", "/")
    file.create_group("group")["again"] = h5py.SoftLink("/away/secret")


FILES: dict[str, tuple[Callable[[h5py.File], None], str | None]] = {
    "3,000 groups deep": (nested(3000), None),
    "9,000 groups deep": (nested(9000), "16,385 characters"),
    "arrays": (many(10_000), None),
    "more arrays": (many(100_000), "more than 32,768 groups and arrays"),
    "names": (long_attribute(1 << 20), None),
    "more names": (long_attribute((1 << 20) + 1), "attribute 'layer_names' has 4,194,308 bytes"),
    "a chunk": (huge_chunk, None),
    "links": (slashes, None),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_file_is_read_or_refused(run: Run, tmp_path: Path, kind: str) -> None:
    write, words = FILES[kind]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = KERNEL
    with h5py.File(tmp_path / "net.h5", "w", libver="latest") as file:
        write(file)
    ran = run("add", "weights:net.h5", "--format", "json")
    if words is None:
        assert (ran.rows[0]["layers"], ran.rows[0]["filters"]) == (1, 4)
    else:
        assert words in ran.refusal()[0]


def test_a_module_of_the_folder_is_not_run(run: Run, tmp_path: Path) -> None:
    for name in ("h5py", "numpy", "json", "filterkit"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w')\nraise SystemExit")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["kernel"] = KERNEL
    run("add", "weights:net.h5").fine  # noqa: B018
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the process in /proc")
@pytest.mark.parametrize("noticed", [False, True])
def test_a_process_that_ends_is_one_line(tmp_path: Path, noticed: bool) -> None:
    """Killed over a file, as the library may be, before or while the next array is requested: said, with a
    hint, nothing waits, and no new process is asked for an array of a file that it has not opened."""
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["kernel"] = KERNEL
    with h5_arrays(tmp_path / "net.h5") as [array]:
        np.testing.assert_array_equal(array.read(), KERNEL)
        [worker] = _readers()
        os.kill(worker, signal.SIGKILL)
        while noticed and worker in _readers():
            time.sleep(0.01)
        with pytest.raises(SourceError, match=r"net\.h5 crashes the HDF5 library"):
            array.read()
        with pytest.raises(SourceError, match=r"net\.h5 crashes the HDF5 library"):
            array.read()


def _readers() -> list[int]:
    """Processes of this one that read HDF5 files."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"h5_worker" in entry.with_name("cmdline").read_bytes():
                found.append(int(entry.parent.name))
    return found
