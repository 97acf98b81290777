"""Read graph inputs and multi-band pictures from untrusted .npz and .npy files."""

from __future__ import annotations

import math
import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from filterkit.address import refuse_url
from filterkit.errors import ImageError, NotFoundError, UsageError
from filterkit.sources.archives import open_zip

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.runtime.pictures import PictureFile

MOST_BYTES = 1 << 30
"""Maximum unpacked size in bytes; at least the size of the file, and enough for the largest picture."""

LONGEST_DIRECTORY = 1 << 20
"""Maximum size in bytes of the central directory: thousands of arrays."""


def read_inputs(path: Path, *, mapped: bool = False) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name; their sizes are checked before memory is allocated.

    Parameters
    ----------
    mapped
        Map arrays that are not compressed into memory, from which they are read when they are used.

    Raises
    ------
    NotFoundError
        If the file does not exist.
    UsageError
        If it is not an ``.npz`` of plain arrays, or unpacks to more than `MOST_BYTES` and its own size.
    """
    refuse_url(str(path), "expected a file")
    if not path.is_file():
        raise NotFoundError(
            f"file {path} does not exist", hint="--input expects an .npz file with the inputs of the graph"
        )
    try:
        with open_zip(path, LONGEST_DIRECTORY) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            _check(archive, members, path)
            read = partial(_mapped, path) if mapped else _read
            return {info.filename.removesuffix(".npy"): read(archive, info) for info in members}
    except UsageError:
        raise
    except Exception as error:  # zipfile, zlib, tokenizer and value errors, depending on the file
        raise UsageError(
            f"{path} is not an .npz file of plain arrays", hint="numpy.savez(FILE, input=array) writes one"
        ) from error


def read_array(path: PictureFile) -> NDArray[Any]:
    """The array of an ``.npy`` file; its size is checked before memory is allocated.

    Raises
    ------
    ImageError
        If it is corrupted, not a plain array, or larger than `MOST_BYTES`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size <= MOST_BYTES:
                file.seek(0)
                _check_claim(file, size)
                file.seek(0)
                return np.asarray(npy.read_array(file, allow_pickle=False))
    except Exception as error:  # tokenizer, value and OS errors, depending on the file
        raise ImageError(
            f"{path} is not an .npy file of a plain array", hint="numpy.save(FILE, array) writes one"
        ) from error
    raise ImageError(f"{path} is larger than the limit of {MOST_BYTES:,} bytes", hint="crop the picture")


def _check_claim(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type of the array in a file of `size` bytes.

    Raises
    ------
    ValueError
        It declares a larger size.
    """
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size:
        raise ValueError("the array declares more data than the file contains")
    return shape, fortran, dtype


def _check(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], path: Path) -> None:
    total = 0
    for info in members:
        with archive.open(info) as file:
            _check_claim(file, info.file_size)
        total += info.file_size
    if total > max(MOST_BYTES, path.stat().st_size):
        raise UsageError(
            f"{path} unpacks to {total:,} bytes; the limit is {MOST_BYTES:,}",
            hint="uncompressed files, written by numpy.savez(FILE, input=array), may have any size",
        )


def _mapped(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """The array in a member; mapped into memory if it is neither compressed nor encrypted."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        return _read(archive, info)
    with path.open("rb") as file:
        file.seek(info.header_offset + _NAME_LENGTH)
        lengths = file.read(4)  # of the name and of the extra field, of which the directory has another
        start = info.header_offset + _NAME_LENGTH + 4 + sum(struct.unpack("<HH", lengths))
        if start + info.file_size > file.seek(0, 2):
            raise ValueError("the file is truncated")
        file.seek(start)
        shape, fortran, dtype = _check_claim(file, info.file_size)
        if dtype.hasobject or not math.prod(shape) * dtype.itemsize:
            return _read(archive, info)
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


_NAME_LENGTH = 26
"""Where a member's header in a zip archive has the length of the name."""


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
