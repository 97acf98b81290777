"""Files of filter banks in safetensors format: written in one go, read through memory maps."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from filterkit.errors import CatalogError
from filterkit.formats.safetensors_parts import safetensors_parts

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray

BIAS = "/bias"
"""The suffix of a layer's name in the key of its bias; names of layers contain no ``/``."""

DTYPES: Mapping[str, np.dtype[np.floating]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
}


def write_banks(path: Path, banks: Mapping[str, FilterBank]) -> str:
    """Write `banks`, by layer name, and return the file's SHA-256; equal banks give equal files."""
    arrays: dict[str, NDArray[np.floating]] = {}
    for name, bank in banks.items():
        arrays[name] = bank.weights
        if bank.bias is not None:
            arrays[name + BIAS] = bank.bias
    whole = safetensors_parts(arrays)
    with path.open("wb") as file, ThreadPoolExecutor(1) as executor:
        hashing = executor.submit(_sha256, whole)  # in parallel with writing: both take equally long
        file.writelines(whole)
    return hashing.result()


def _sha256(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


LONGEST_HEADER = 100_000_000
"""Bytes of the longest header, as in the safetensors library."""


_mappings: WeakValueDictionary[tuple[int, ...], np.memmap[Any, Any]] = WeakValueDictionary()
_mapping = Lock()


def _mapped(file: BinaryIO, start: int) -> NDArray[np.uint8]:
    """The bytes of a file from `start`: workbenches of several threads share one memory map."""
    status = os.fstat(file.fileno())
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, start)
    with _mapping:
        found = _mappings.get(key)
        if found is None:
            found = _mappings[key] = np.memmap(file, np.uint8, "r", start)
    return found


class BankFile:
    """The memory-mapped banks of one model: opening reads the header, and banks are read when they are used.

    Raises
    ------
    CatalogError
        The file is corrupted or cannot be read.
    FileNotFoundError
        There is no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # opening a pipe would block
            raise FileNotFoundError(path)
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > min(path.stat().st_size, LONGEST_HEADER):
                    raise ValueError
                self._entries = json.loads(file.read(length))
                self._data = _mapped(file, 8 + length)
            self._entries.pop("__metadata__", None)
            if self._data.size != max(entry["data_offsets"][1] for entry in self._entries.values()):
                raise ValueError
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CatalogError(
                f"the filter banks in {path} cannot be read: {error.strerror or error}",
                hint="check the permissions of the file",
            ) from error
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            raise self._damaged() from error

    def weights(self, layer: str) -> FloatArray:
        """The bank of `layer`, read-only, shape (out_channels, in_channels / groups, *kernel_shape)."""
        return self._array(layer)

    def bias(self, layer: str) -> FloatArray | None:
        """The bias of `layer`, read-only, shape (out_channels,); None if it has none."""
        return self._array(layer + BIAS) if layer + BIAS in self._entries else None

    def _array(self, key: str) -> FloatArray:
        try:
            entry = self._entries[key]
            start, end = entry["data_offsets"]
            values: FloatArray = self._data[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._damaged() from error
        return values

    def _damaged(self) -> CatalogError:
        return CatalogError(
            f"the filter banks in {self.path} are corrupted",
            hint="run `filterkit doctor` to see how to repair them",
        )
