"""One array in a weights file: its name, and its values, which are read on demand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterkit.geometry import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Read = Callable[[], NDArray[Any]]

FLOATS = ("float16", "bfloat16", "float32", "float64")
CODES = ("int8", "uint8", "float8_e4m3fn", "float8_e5m2")
"""Dtypes whose values need a scale (and sometimes a zero point)."""
_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, **dict.fromkeys(CODES, 1)}


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array of floating-point values, or of quantized codes, in a file.

    Attributes
    ----------
    name
        As stored in the file, levels separated by ``/`` or ``.``; any text.
    dtype
        One of `FLOATS` or `CODES`.
    read
        Returns the values while the file is open; bfloat16 as uint16.
    layer
        Name of its layer in the file, or empty.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Read
    layer: str = ""

    @property
    def nbytes(self) -> int:
        return product(self.shape) * _WIDTHS[self.dtype]


def natural(name: str) -> list[str | tuple[int, str]]:
    """Sort key for natural order: ``conv_10`` after ``conv_2``, for numbers of any length."""
    parts = re.split(r"([0-9]+)", name)
    return [_number(part) if place % 2 else part for place, part in enumerate(parts)]


def _number(digits: str) -> tuple[int, str]:
    bare = digits.lstrip("0")
    return len(bare), bare
