"""The file that holds a model's filter banks: safetensors, written whole and read through memory maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from filterkit.errors import CatalogError

if TYPE_CHECKING:
    from filterkit.records import FilterBank, FloatArray

BIAS = "/bias"
"""Behind a layer's name, the key of its bias; no layer's name holds a ``/``."""

DTYPES: Mapping[str, np.dtype[np.floating]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
}


def write_banks(path: Path, banks: Mapping[str, FilterBank]) -> str:
    """Write `banks`, by layer name; equal banks make equal files. Returns the file's SHA-256.

    The bytes are those of the safetensors library, which copies every array, and from which the hash would
    have to be read back: wide types first, then by name.
    """
    arrays: dict[str, NDArray[np.floating]] = {}
    for name, bank in banks.items():
        arrays[name] = bank.weights
        if bank.bias is not None:
            arrays[name + BIAS] = bank.bias
    kinds = {dtype: kind for kind, dtype in DTYPES.items()}
    entries: dict[str, dict[str, Any]] = {}
    parts: list[bytes | memoryview] = []
    end = 0
    for key, values in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        start, end = end, end + plain.nbytes
        shape = list(values.shape)
        entries[key] = {"dtype": kinds[plain.dtype], "shape": shape, "data_offsets": [start, end]}
        parts.append(plain.reshape(-1).view(np.uint8).data)
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    whole = (len(header).to_bytes(8, "little"), header, *parts)
    with path.open("wb") as file, ThreadPoolExecutor(1) as aside:
        hashing = aside.submit(_sha256, whole)  # side by side: either takes as long as the other
        file.writelines(whole)
    return hashing.result()


def _sha256(parts: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


LONGEST_HEADER = 100_000_000
"""Bytes of the table of contents, as in the safetensors library."""


class BankFile:
    """The banks of one model, mapped: opening reads the table of contents, a bank is read where it is used.

    Raises
    ------
    CatalogError
        Where the file is damaged or cannot be read.
    FileNotFoundError
        Where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # opening a pipe would wait for its writer
            raise FileNotFoundError(path)
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > min(path.stat().st_size, LONGEST_HEADER):
                    raise ValueError
                self._entries = json.loads(file.read(length))
            self._entries.pop("__metadata__", None)
            self._data = np.memmap(path, np.uint8, "r", 8 + length)
            if self._data.size != max(entry["data_offsets"][1] for entry in self._entries.values()):
                raise ValueError
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CatalogError(
                f"the filter banks in {path} cannot be read: {error.strerror or error}",
                hint="is the file yours to read?",
            ) from error
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            raise self._damaged() from error

    def weights(self, layer: str) -> FloatArray:
        """The bank of `layer`, read-only, shape (out_channels, in_channels / groups, *kernel_shape)."""
        return self._array(layer)

    def bias(self, layer: str) -> FloatArray | None:
        """The bias of `layer`, read-only, shape (out_channels,); None where it has none."""
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
            f"the filter banks in {self.path} are damaged", hint="`filterkit doctor` says what mends them"
        )
