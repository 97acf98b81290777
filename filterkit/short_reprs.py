"""Short reprs: the kind and name of an object, and shape, type and range of its arrays, however large."""

from __future__ import annotations

import reprlib
from dataclasses import MISSING, Field, fields
from typing import Any

LONGEST = 300
"""Limit on the characters of a repr."""

MOST_READ = 2**22
"""Arrays with more values are described without a range: a repr must not read a whole memory-mapped bank."""


class _Short(reprlib.Repr):
    """The standard library's `reprlib`, for which arrays are one more kind of value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring, self.maxother = 60, 100
        self.maxlevel, self.maxdict = 2, 3

    def repr_ndarray(self, array: Any, level: int) -> str:
        return f"<{array_text(array)}>"

    repr_memmap = repr_ndarray


short = _Short()


def short_repr(self: Any) -> str:
    """``__repr__`` of a dataclass: its fields that differ from their defaults, each shortened."""
    shown = [each for each in fields(self) if each.repr and not _is_default(each, getattr(self, each.name))]
    words = (f"{each.name}={short.repr(getattr(self, each.name))}" for each in shown)
    return shortened(f"{type(self).__name__}({', '.join(words)})")


def shortened(text: str, length: int = LONGEST) -> str:
    """`text`, with its middle replaced by ``…`` if it is too long."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[: length - 1 - half]}…{text[-half:]}"


def array_text(array: Any) -> str:
    """Shape, type and range of an array, e.g. ``(64, 3, 3, 3) float32, -0.67 to 0.61``."""
    import numpy as np

    text = f"{array.shape} {array.dtype}"
    if array.dtype.kind not in "iuf" or not 0 < array.size <= MOST_READ:
        return text
    finite = array[np.isfinite(array)]
    unusual = "" if finite.size == array.size else ", not all finite"
    return f"{text}, {finite.min():.4g} to {finite.max():.4g}{unusual}" if finite.size else f"{text}{unusual}"


def _is_default(each: Field[Any], value: Any) -> bool:
    made = each.default if each.default_factory is MISSING else each.default_factory()
    return value is made or (type(value) is type(made) and not hasattr(value, "shape") and value == made)
