"""Arrow types of columns, and conversion of values to them.

A row may hold None, bool, int, float, str, and lists of those. A column with mixed values gets the narrowest
type that holds all of them: float for int and float; text for anything else, with lists and numbers as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain
from typing import Any

import pyarrow as pa

PLAIN: dict[type, pa.DataType] = {
    type(None): pa.null(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
}
SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""Range of an integer column; larger numbers are written as text."""


def type_of(values: Iterable[Any]) -> pa.DataType:
    """The narrowest type that holds all of `values`; null if there are none."""
    values = list(values)
    found = [_type_of_kind(kind, values) for kind in set(map(type, values))]
    return reduce(common_type, found, pa.null())


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The narrowest type that holds values of both types."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(common_type(one.value_type, other.value_type))
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()


def as_array(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    """`values` as an array of a type that `type_of` or `common_type` returned for them."""
    return pa.array([_as(value, wanted) for value in values], wanted)


def _type_of_kind(kind: type, values: Sequence[Any]) -> pa.DataType:
    """The type of those of `values` that are of this Python type."""
    if issubclass(kind, list | tuple):
        return pa.list_(type_of(chain.from_iterable(value for value in values if type(value) is kind)))
    if kind is int and not all(SMALLEST <= value <= LARGEST for value in values if type(value) is int):
        return pa.string()
    return next((PLAIN[base] for base in kind.__mro__ if base in PLAIN), pa.string())


def _as(value: Any, wanted: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_string(wanted):
        return value if isinstance(value, str) else _json(value)
    if pa.types.is_float64(wanted):
        return float(value)
    if pa.types.is_list(wanted):
        return [_as(each, wanted.value_type) for each in value]
    return value


def _json(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
