"""Stacks of arrays that grow on disk, so that only the array being added is in memory."""

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

from filterkit.atomic_writes import naming, put
from filterkit.errors import UsageError

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
        """Append an array; raises UsageError if its shape differs from that of the first."""
        if array.shape != self._shape:
            raise UsageError(
                f"the maps of {self._name} differ in size between pictures, so one array cannot hold them",
                hint="resize the pictures to one size with --size",
            )
        np.ascontiguousarray(array, self._dtype).tofile(self._file)
        self._count += 1

    def close(self) -> None:
        """Update the number of arrays in the header, where numpy leaves room for any number."""
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
    """Write a file of named stacks, ``.npz`` or ``.npy`` for one stack; it appears when all were added.

    Yields
    ------
    callable
        Adds one array to each stack; raises UsageError if they do not fit.

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
                    f"cannot write {len(arrays)} layers to one .npy file",
                    hint=f"use -o {path.stem}.npz instead",
                )
            if stacks and stacks.keys() != arrays.keys():
                raise UsageError(
                    "the pictures take different branches of the network, so not all layers run for each",
                    hint=f"-o {path.stem} writes a picture per layer to a folder",
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
    """The folder of the file, for temporary files; the system's for a pipe or a device."""
    plain = path.is_file() or not path.exists()
    return Path(os.path.realpath(path)).parent if plain else Path(tempfile.gettempdir())
