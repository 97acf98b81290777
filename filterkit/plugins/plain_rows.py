"""The rows that commands make, as output formats receive them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any

from filterkit.plugins.protocols import Row
from filterkit.plugins.report import kind_of

SCALARS = frozenset({NoneType, bool, int, float, str, bytes})


def watched(rows: Iterable[Row], failed: list[Exception]) -> Iterator[Row]:
    """The rows, of Python's own values; what is raised while they are made also goes into `failed`.

    Raises
    ------
    TypeError
        One of them is no row.
    """
    try:
        for row in rows:
            if not isinstance(row, Mapping):
                raise TypeError(f"a row is a mapping from columns to values, not {kind_of(row)}")
            # Most rows hold nothing else: one look at all their types, for there may be millions of them.
            fine = SCALARS.issuperset(map(type, row.values()))
            yield row if fine else {name: _plain(value) for name, value in row.items()}
    except Exception as error:
        failed.append(error)
        raise


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy, PyTorch and their kin as Python's own numbers and lists."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, type) or not hasattr(value, "tolist"):
        return value
    kind = getattr(getattr(value, "dtype", None), "str", None)
    if kind in ("<M8[ns]", "<m8[ns]"):  # times finer than Python's: they would become integers
        value = value.astype(kind.replace("ns", "us"))
    made = value.tolist()
    return _plain(made) if kind == "|O" else made
