"""Arrays in the format of safetensors, as parts that are written one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def safetensors_parts(arrays: Mapping[str, NDArray[Any]]) -> list[bytes | memoryview]:
    """The content of a file of named arrays; equal arrays give equal files.

    Floats give the same bytes as the safetensors library: wide types first, then by name. The library copies
    every array, makes files that no one else can read, and replaces pipes and devices.
    """
    import numpy as np

    entries: dict[str, dict[str, Any]] = {}
    parts: list[bytes | memoryview] = []
    end = 0
    for key, values in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        start, end = end, end + plain.nbytes
        entries[key] = {
            "dtype": _name(plain.dtype),
            "shape": list(values.shape),
            "data_offsets": [start, end],
        }
        parts.append(plain.reshape(-1).view(np.uint8).data)
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return [len(header).to_bytes(8, "little"), header, *parts]


def _name(dtype: Any) -> str:
    """The format's name of a type of booleans, integers or floats, e.g. ``F32``."""
    return "BOOL" if dtype.kind == "b" else f"{dtype.kind.upper()}{8 * dtype.itemsize}"
