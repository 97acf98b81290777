"""Read the arrays of a weights file: names and shapes at once, values on demand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, SourceError
from filterkit.graph.loading.file_kinds import HDF5, NUMPY, SAFETENSORS, ZIP, file_kind
from filterkit.graph.loading.names import LONGEST_NAME, shown
from filterkit.sources.archives import open_zip
from filterkit.sources.stored_array import CODES, FLOATS, StoredArray, natural

if TYPE_CHECKING:
    from zipfile import ZipInfo

    from numpy.typing import NDArray

    from filterkit.sources.stored_array import Read

SMALL = 1 << 26
DENSEST = 100
"""Files may unpack to `SMALL` bytes or to `DENSEST` times their own size, whichever is larger."""

MOST_ARRAYS = 1 << 16
"""Maximum number of arrays; the largest networks have several thousand."""
LONGEST_HEADER = 1 << 24
"""Maximum size in bytes of a safetensors header or a zip central directory: enough for `MOST_ARRAYS`."""
LONGEST_NPY_HEADER = 1 << 14
"""Bytes read for the header of one array; NumPy's own limit is lower."""


@contextmanager
def open_arrays(path: Path) -> Iterator[Sequence[StoredArray]]:
    """The floating-point and quantized arrays in the file at `path`, in the format that `format_of` finds.

    They are in the order in which they were written, if the file records it; else in natural order of names.

    Raises
    ------
    SourceError
        If the file is corrupted, declares implausibly large arrays, or requires h5py, which is not installed;
        also raised when values are read.
    """
    with ExitStack() as open_files:
        with _readable(path):
            found = open_files.enter_context(READERS[format_of(path)](path))
            _check_names(found, path)
            _check_claims(found, path)
        yield [replace(array, read=_guarded(array.read, path)) for array in found]


def format_of(path: Path) -> str:
    """The format of a file as a suffix in `READERS`: identified by its first bytes, else by its own suffix.

    Raises
    ------
    SourceError
        If its first bytes identify another kind of file.
    """
    kind, suffix = file_kind(path), path.suffix.lower()
    if kind is None or (kind.what == ZIP.what and suffix == ".npz"):
        return suffix
    found = {SAFETENSORS.what: ".safetensors", NUMPY.what: ".npz", HDF5.what: ".h5"}.get(kind.what)
    if found is None:
        if "weights:" in kind.hint and suffix in READERS:  # arrays without names
            message = f"cannot read {path.name} as {suffix}: it is {kind.what}"
        else:
            message = f"{path.name} is not a weights file but {kind.what}"
        raise SourceError(message, hint=kind.hint)
    return found


def _guarded(read: Read, path: Path) -> Read:
    def guarded() -> NDArray[Any]:
        with _readable(path):
            return read()

    return guarded


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FilterkitError:
        raise
    except Exception as error:  # three libraries raise many types on malformed files
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"cannot read {path.name} as {format_of(path)}: {reason or type(error).__name__}",
            hint="the file may be incomplete, corrupted or in another format",
        ) from error


def _check_names(arrays: Sequence[StoredArray], path: Path) -> None:
    if len(arrays) > MOST_ARRAYS:
        raise SourceError(
            f"{path.name} contains {len(arrays):,} arrays; the limit is {MOST_ARRAYS:,}",
            hint="it may not be a weights file",
        )
    longest = max((name for array in arrays for name in (array.name, array.layer)), key=len, default="")
    if len(longest) > LONGEST_NAME:
        raise SourceError(
            f"{path.name} contains a name of {len(longest):,} characters ('{shown(longest, 40)}'); "
            f"the limit is {LONGEST_NAME:,}",
            hint="save the weights again with shorter names",
        )


def _check_claims(arrays: Sequence[StoredArray], path: Path) -> None:
    size, claimed = path.stat().st_size, sum(array.nbytes for array in arrays)
    if claimed > max(SMALL, DENSEST * size):
        raise SourceError(
            f"{path.name} declares {claimed:,} bytes of weights in a file of {size:,} bytes",
            hint="get the file again from a trusted source",
        )


@contextmanager
def _safetensors(path: Path) -> Iterator[Sequence[StoredArray]]:
    """Memory-mapped, after the library has validated the header; not read by it, as NumPy lacks bfloat16."""
    import numpy as np
    from safetensors import safe_open

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"its header has {length:,} bytes, more than {LONGEST_HEADER:,}")
        with safe_open(path, framework="numpy"):
            pass
        start = 8 + length
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    kinds = {"F16": ("float16", "<f2"), "BF16": ("bfloat16", "<u2"), "F32": ("float32", "<f4")}
    kinds |= {"F64": ("float64", "<f8"), "I8": ("int8", "i1"), "U8": ("uint8", "u1")}
    kinds |= {"F8_E4M3": ("float8_e4m3fn", "u1"), "F8_E5M2": ("float8_e5m2", "u1")}

    def reader(entry: Mapping[str, Any]) -> Read:
        def read() -> NDArray[Any]:
            dtype, offset = np.dtype(kinds[entry["dtype"]][1]), start + entry["data_offsets"][0]
            numbers = np.memmap(path, dtype, "r", offset, tuple(entry["shape"]))
            return numbers.view(_eight_bits(entry["dtype"])) if entry["dtype"].startswith("F8") else numbers

        return read

    yield [
        StoredArray(name, kinds[entry["dtype"]][0], tuple(entry["shape"]), reader(entry))
        for name, entry in sorted(entries.items(), key=lambda item: natural(item[0]))
        if entry["dtype"] in kinds
    ]


def _eight_bits(kind: str) -> Any:
    import ml_dtypes  # a dependency of onnx

    return ml_dtypes.float8_e4m3fn if kind == "F8_E4M3" else ml_dtypes.float8_e5m2


@contextmanager
def _npz(path: Path) -> Iterator[Sequence[StoredArray]]:
    """Only headers, until values are requested; pickles are never loaded."""
    import numpy as np
    from numpy.lib import format as npy

    with open_zip(path, LONGEST_HEADER) as archive:

        def reader(info: ZipInfo) -> Read:
            def read() -> NDArray[Any]:
                with archive.open(info) as file:  # reads no more than the header declares
                    return np.asarray(npy.read_array(file, allow_pickle=False))

            return read

        arrays = []
        for info in {info.filename: info for info in archive.infolist()}.values():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                head = io.BytesIO(file.read(LONGEST_NPY_HEADER))
            version = npy.read_magic(head)
            header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = header(head)
            if dtype.name in (*FLOATS, *CODES) and min(shape, default=0) >= 0:
                name = info.filename.removesuffix(".npy")
                arrays.append(StoredArray(name, dtype.name, tuple(map(int, shape)), reader(info)))
        yield arrays


def _h5(path: Path) -> AbstractContextManager[Sequence[StoredArray]]:
    from filterkit.sources.h5_arrays import h5_arrays

    return h5_arrays(path)


READERS: Mapping[str, Callable[[Path], AbstractContextManager[Sequence[StoredArray]]]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".h5": _h5,
}
"""By suffix, in lower case."""
