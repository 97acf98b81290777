"""A graph's own inputs, and pictures of any bands, read from .npz and .npy files of anybody's."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from filterkit.address import refuse_url
from filterkit.errors import ImageError, NotFoundError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 1 << 30
"""What the arrays may unpack to, the largest picture among them; more where the file itself is larger."""


def read_inputs(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name; their sizes are looked at before memory is taken for them.

    Raises
    ------
    NotFoundError
        There is no such file.
    UsageError
        It is no ``.npz`` of plain arrays, or unpacks to more than `MOST_BYTES` and its own size.
    """
    refuse_url(str(path), "a file is expected here")
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint="--input takes an .npz of the graph's inputs")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            _check(archive, members, path)
            return {info.filename.removesuffix(".npy"): _read(archive, info) for info in members}
    except UsageError:
        raise
    except Exception as error:  # zipfile, zlib, tokenizer and value errors, by what is wrong with the file
        raise UsageError(
            f"{path} is no .npz of plain arrays", hint="numpy.savez(FILE, input=array) writes one"
        ) from error


def read_array(path: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file; its size is looked at before memory is taken for it.

    Raises
    ------
    ImageError
        It is damaged, no plain array, or larger than `MOST_BYTES`.
    """
    try:
        size = path.stat().st_size
        if size <= MOST_BYTES:
            with path.open("rb") as file:
                _check_claim(file, size)
                file.seek(0)
                return np.asarray(npy.read_array(file, allow_pickle=False))
    except Exception as error:  # tokenizer, value and operating system errors, by what is wrong with the file
        raise ImageError(
            f"{path} is no .npy of a plain array", hint="numpy.save(FILE, array) writes one"
        ) from error
    raise ImageError(f"{path} is larger than the {MOST_BYTES:,} bytes that are read", hint="cut it")


def _check_claim(file: IO[bytes], size: int) -> None:
    """Raise ValueError where the array in a file of `size` bytes claims to be larger."""
    version = npy.read_magic(file)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(file)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size:
        raise ValueError("an array that claims more than there is")


def _check(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], path: Path) -> None:
    total = 0
    for info in members:
        with archive.open(info) as file:
            _check_claim(file, info.file_size)
        total += info.file_size
    if total > max(MOST_BYTES, path.stat().st_size):
        raise UsageError(
            f"{path} unpacks to {total:,} bytes, which is more than the {MOST_BYTES:,} that are read",
            hint="numpy.savez(FILE, input=array), without compression, writes any size",
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
