"""Columns of rows as Arrow: one type per column, and the conversion of values to it.

A row may contain None, bool, int, float, str, bytes, and lists of those. A column with mixed values gets the
narrowest type that holds all of them: float for int and float; text for anything else, with lists and numbers
as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from filterkit.errors import FilterkitError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

SMALLEST, LARGEST = -(2**63), 2**63 - 1
"""Range of an integer column; larger numbers become text."""

TEXTS = ("input_shape", "output_shape", "input_channels", "measured", "extra_metrics", "extra_layer_metrics")
INTEGERS = ("kernel_shape", "strides", "dilations", "pads", "output_padding")
FLOATS = ("receptive_fields", "jumps", "offsets")
"""Columns of lists in the catalog, by the type of their items; sizes in shapes may be names."""


def arrow_types(
    columns: Mapping[str, Sequence[Any]],
    known: Mapping[str, pyarrow.DataType] | None = None,
    *,
    complete: bool = True,
    own: Mapping[str, Any] | None = None,
) -> dict[str, pyarrow.DataType]:
    """The Arrow type of each column: the narrowest that holds all of its values.

    A column of the catalog has the type that it has there, if that holds all values: ``receptive_field`` is a
    float even if all values are integers, and ``input_shape`` a list of texts.

    Parameters
    ----------
    columns
        The values of each column.
    known
        Types found for earlier rows of the same columns, which are widened.
    complete
        False if more rows follow: types of the catalog are used only after the last one.
    own
        Python types of columns, such as ``int`` or ``list[int]``, which precede those of the catalog.

    Raises
    ------
    FilterkitError
        pyarrow is not installed.
    """
    null = _pyarrow().null()
    types = {
        name: _common((known or {}).get(name, null), _type_of(values)) for name, values in columns.items()
    }
    if not complete:
        return types
    declared = _of_catalog() | {name: _of_python(kind) for name, kind in (own or {}).items()}
    return {name: _declared(declared.get(name, kind), kind) for name, kind in types.items()}


def arrow_table(
    columns: Mapping[str, Sequence[Any]], types: Mapping[str, pyarrow.DataType] | None = None
) -> pyarrow.Table:
    """A table of pyarrow with these columns.

    Parameters
    ----------
    columns
        The values of each column.
    types
        Their types, as returned by `arrow_types` for these rows or more; None finds them.

    Raises
    ------
    FilterkitError
        pyarrow is not installed.
    """
    pa = _pyarrow()
    types = types or arrow_types(columns)
    arrays = [pa.array(map(_converter(kind), columns[name]), kind) for name, kind in types.items()]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(types.items())))


def pandas_frame(table: pyarrow.Table) -> pandas.DataFrame:
    """The table as a DataFrame: integers and truth values stay such if some are missing, and lists lists."""
    pd, pa = _imported("pandas", "pip install pandas pyarrow"), _pyarrow()
    frame: pandas.DataFrame = table.to_pandas()
    for place, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        nullable = (
            {pa.int64(): "Int64", pa.bool_(): "boolean"}.get(column.type) if column.null_count else None
        )
        if nullable:
            frame.isetitem(place, pd.array(column.to_pylist(), dtype=nullable))
        elif pa.types.is_list(column.type):
            frame.isetitem(place, pd.Series(column.to_pylist(), index=frame.index, dtype=object, name=name))
    return frame


def polars_frame(table: pyarrow.Table) -> polars.DataFrame:
    """The table as a DataFrame of Polars."""
    return _imported("polars", "pip install polars pyarrow").DataFrame(table)


def _pyarrow() -> Any:
    return _imported("pyarrow", "pip install 'cnn-filterkit[arrow]'")


def _imported(name: str, command: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FilterkitError(f"this requires {name}, which is not installed", hint=command) from error


@cache
def _of_catalog() -> dict[str, pyarrow.DataType]:
    """Types of the catalog's columns, by name; those of filters take precedence."""
    pa = _pyarrow()
    from filterkit.catalog.schema import filter_, layer, model

    plain = {int: pa.int64(), float: pa.float64(), str: pa.string()}
    found = {
        name: plain[column.type.python_type]
        for table in (model, layer, filter_)
        for column in table.columns
        for name in (column.name, f"{table.name}.{column.name}")
        if column.type.python_type in plain
    }
    names = dict.fromkeys(("address", "model", "layer"), pa.string()) | {"filter": pa.int64()}
    lists = {pa.string(): TEXTS, pa.int64(): INTEGERS, pa.float64(): FLOATS}
    of_lists = {
        prefix + name: pa.list_(item)
        for item, columns in lists.items()
        for name in columns
        for prefix in ("", "layer.", "model.")
    }
    return found | names | of_lists


def _of_python(kind: Any) -> pyarrow.DataType:
    """The Arrow type for values of a Python type."""
    pa = _pyarrow()
    plain = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return plain[kind] if kind in plain else pa.list_(*map(_of_python, get_args(kind)))


def _declared(declared: pyarrow.DataType, found: pyarrow.DataType) -> pyarrow.DataType:
    """The declared type of a column if it holds values of type `found`, else that."""
    pa = _pyarrow()
    widened = not pa.types.is_string(declared) and _common(found, declared) == declared
    return declared if pa.types.is_null(found) or widened else found


def _type_of(values: Iterable[Any]) -> pyarrow.DataType:
    """The narrowest type that holds all of `values`; null if there are none."""
    values = list(values)
    found = [_type_of_kind(kind, values) for kind in set(map(type, values))]
    return reduce(_common, found, _pyarrow().null())


def _common(one: pyarrow.DataType, other: pyarrow.DataType) -> pyarrow.DataType:
    """The narrowest type that holds values of both types."""
    pa = _pyarrow()
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(_common(one.value_type, other.value_type))
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()


def _type_of_kind(kind: type, values: Sequence[Any]) -> pyarrow.DataType:
    """The type of those of `values` that are of this Python type."""
    pa = _pyarrow()
    if issubclass(kind, list | tuple):
        return pa.list_(_type_of(chain.from_iterable(value for value in values if type(value) is kind)))
    if kind is int and not all(SMALLEST <= value <= LARGEST for value in values if type(value) is int):
        return pa.string()
    plain = {NoneType: pa.null(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    plain |= {str: pa.string(), bytes: pa.binary()}
    return next((plain[base] for base in kind.__mro__ if base in plain), pa.string())


def _converter(wanted: pyarrow.DataType) -> Callable[[Any], Any]:
    """What converts a value to a type that `arrow_types` found for its column."""
    types = _pyarrow().types
    convert: Callable[[Any], Any]
    if types.is_string(wanted):
        convert = _text
    elif types.is_float64(wanted):
        convert = float
    elif types.is_list(wanted):
        of_item = _converter(wanted.value_type)

        def convert(value: Any) -> Any:
            return list(map(of_item, value))
    else:
        return lambda value: value
    return lambda value: None if value is None else convert(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return value.hex() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False, default=str)
