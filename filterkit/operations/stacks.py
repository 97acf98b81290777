"""Stacks of arrays that grow on disk, so that only what is being added is in memory."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.lib import format as npy

from filterkit.errors import UsageError
from filterkit.replacing import naming, put

if TYPE_CHECKING:
    from filterkit.records import FloatArray


class Stack:
    """One ``.npy`` file; arrays of one shape are stacked along its first axis."""

    def __init__(self, name: str, file: BinaryIO, first: FloatArray) -> None:
        self._name = name
        self._file = file
        self._count = 0
        self._shape, self._dtype = first.shape, first.dtype
        self._write_header()

    def add(self, array: FloatArray) -> None:
        """Append an array; raises UsageError where it has another shape than the first."""
        if array.shape != self._shape:
            raise UsageError(
                f"the pictures give {self._name} different sizes, which one array cannot hold",
                hint="--size brings them to one",
            )
        np.ascontiguousarray(array, self._dtype).tofile(self._file)
        self._count += 1

    def close(self) -> None:
        """Write down how many arrays there are; numpy leaves room in the header for any number."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": npy.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._count, *self._shape),
        }
        npy.write_array_header_1_0(self._file, header)


@contextmanager
def stacking(path: Path) -> Iterator[Callable[[Mapping[str, FloatArray]], None]]:
    """A file of stacks, by name, that is there once all has been added: ``.npz``, or ``.npy`` of one stack.

    Yields
    ------
    callable
        Adds one array to each stack; raises UsageError where they do not fit.

    Raises
    ------
    UsageError
        Several stacks for a ``.npy``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    single = path.suffix.lower() == ".npy"
    stacks: dict[str, Stack] = {}
    with (
        tempfile.TemporaryDirectory(prefix=".filterkit-", dir=_folder_of(path)) as folder,
        naming(path, Path(folder)),
        ExitStack() as files,
    ):

        def place(number: int) -> Path:
            return Path(folder) / f"{number}.npy"

        def add(arrays: Mapping[str, FloatArray]) -> None:
            if single and len({*stacks, *arrays}) > 1:
                raise UsageError(
                    f"{len(arrays)} layers do not fit into one .npy", hint=f"-o {path.stem}.npz holds them"
                )
            if stacks and stacks.keys() != arrays.keys():
                raise UsageError(
                    "the pictures take different branches of the network, so that layers answer to some only",
                    hint=f"-o {path.stem} makes a folder",
                )
            for name, array in arrays.items():
                if name not in stacks:
                    file = files.enter_context(place(len(stacks)).open("wb"))
                    stacks[name] = Stack(name, file, array)
                stacks[name].add(array)

        yield add
        for stack in stacks.values():
            stack.close()
        whole = place(0)
        if not single:
            whole = Path(folder) / "whole.npz"
            with zipfile.ZipFile(whole, "w") as archive:
                for number, name in enumerate(stacks):
                    archive.write(place(number), f"{name}.npy")
                    place(number).unlink()
        put(whole, path)


def _folder_of(path: Path) -> Path:
    """Where the file will lie; that of a pipe or a device cannot be written to."""
    plain = path.is_file() or not path.exists()
    return Path(os.path.realpath(path)).parent if plain else Path(tempfile.gettempdir())
