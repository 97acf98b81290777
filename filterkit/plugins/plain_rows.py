"""Rows of plugins and of operations with plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

from filterkit.plugins.protocols import Row
from filterkit.plugins.report import kind_of

SCALARS = frozenset({NoneType, bool, int, float, str, bytes})


def watched(rows: Iterable[Row], failed: list[Exception]) -> Iterator[Row]:
    """Rows with plain Python values; exceptions raised while computing them are also appended to `failed`.

    Raises
    ------
    TypeError
        If one of them is not a mapping.
    """
    try:
        for row in rows:
            if not isinstance(row, Mapping):
                raise TypeError(f"a row is a mapping from columns to values, not {kind_of(row)}")
            # Fast path, as there may be millions of rows and most contain only scalars.
            is_plain = SCALARS.issuperset(map(type, row.values()))
            yield row if is_plain else {name: plain(value) for name, value in row.items()}
    except Exception as error:
        failed.append(error)
        raise


def plain(value: Any) -> Any:
    """Convert numbers and arrays of NumPy, PyTorch and others to Python numbers and lists."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, type) or not hasattr(value, "tolist"):
        return value
    kind = getattr(getattr(value, "dtype", None), "str", None)
    if kind in ("<M8[ns]", "<m8[ns]"):  # finer than Python's datetime; would become integers
        value = value.astype(kind.replace("ns", "us"))
    made = value.tolist()
    return plain(made) if kind == "|O" else made
