"""One array in a file of weights: what it is called, and its numbers once they are wanted."""

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
"""What stands for numbers together with a scale."""
_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, **dict.fromkeys(CODES, 1)}


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array of real numbers, or of codes for such, in a file.

    Attributes
    ----------
    name
        As the file has it, levels separated by ``/`` or ``.``; any text.
    dtype
        One of `FLOATS` or `CODES`.
    read
        Brings the numbers while the file is open; bfloat16 as uint16.
    layer
        What the file calls the layer that it belongs to, or empty.
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
    """A key by which ``conv_10`` comes behind ``conv_2``, however long the number is."""
    parts = re.split(r"([0-9]+)", name)
    return [_number(part) if place % 2 else part for place, part in enumerate(parts)]


def _number(digits: str) -> tuple[int, str]:
    bare = digits.lstrip("0")
    return len(bare), bare
