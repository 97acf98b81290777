"""Tables: rows that display themselves, and become data frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from filterkit.errors import UnknownColumnError, UsageError, closest
from filterkit.results.list_like import ListLike

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from filterkit.plugins.protocols import Row

Thumbnails = Callable[[Iterable[str]], Mapping[str, bytes]]
"""Draws addresses: a small PNG each, except for those that cannot be drawn."""

ADDRESSES = ("address", "from_address", "to_address", "address_a", "address_b")
"""Columns whose addresses have pictures beside them in a notebook."""

SHOWN = 20
"""Limit on the rows displayed in a notebook."""

FILTER_HINT = 'filter with where=, as in bench.filters(where="l2_norm > 1"), or use rows.to_pandas()'


class Rows(ListLike["Row"]):
    """A table: a sequence of rows, which are dictionaries with the same keys.

    ``rows[0]`` is a row, ``rows[2:5]`` a table, ``rows["address"]`` a column, ``rows[["address", "bias"]]`` a
    table of some columns; an array of truth values or positions selects rows, as in NumPy. Polars, DuckDB and
    pyarrow take a table as it is, through the Arrow PyCapsule interface.

    Attributes
    ----------
    columns
        Names of the columns, in order.
    """

    _per_row: ClassVar[tuple[str, ...]] = ()
    """Attributes of a subclass that have an item for each row."""

    def __init__(self, rows: Iterable[Row], columns: Iterable[str] | Mapping[str, Any]) -> None:
        """`columns` may map names to types of values, for `to_arrow`: ``int``, ``list[int]``."""
        super().__init__(rows)
        self.columns = tuple(columns)
        self._types: dict[str, Any] = {}
        if isinstance(columns, Mapping):
            self._types = {
                name: kind for name, kind in columns.items() if isinstance(kind, type | GenericAlias)
            }
        self._thumbnails: Thumbnails | None = None  # set by the workbench, which is above
        self._pictured = False

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> Column: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    @overload
    def __getitem__(self, key: Iterable[Any]) -> Rows: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return Column(self._values(key), key)
        if isinstance(key, slice):
            return self._like(range(len(self))[key])
        if hasattr(key, "tolist"):  # of NumPy or pandas
            key = key.tolist()
        if isinstance(key, bool):
            raise UsageError("a truth value selects no rows", hint=FILTER_HINT)
        return self._selected(list(key)) if isinstance(key, Iterable) else self._items[key]

    def __add__(self, other: Iterable[Row]) -> Rows:
        """The rows of both; the columns are those of both, too."""
        columns = dict.fromkeys((*self.columns, *(other.columns if isinstance(other, Rows) else ())))
        made = self._plain([*self, *other], columns)
        made._types = {**(other._types if isinstance(other, Rows) else {}), **self._types}
        return made

    def __radd__(self, other: Iterable[Row]) -> Rows:
        return self._plain([*other, *self], self.columns)

    def __getattr__(self, name: str) -> Any:
        error = AttributeError(f"{type(self).__name__} has no attribute '{name}'", name=name, obj=self)
        if name in self.__dict__.get("columns", ()):
            error.add_note(f"hint: the column is rows['{name}']")
        elif not name.startswith("_"):
            error.add_note("hint: rows.to_pandas() is a DataFrame")
        raise error

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles are without the workbench that draws pictures."""
        return {**self.__dict__, "_thumbnails": None}

    @property
    def types(self) -> dict[str, Any]:
        """Declared Python types of the values of columns, such as ``int`` or ``list[int]``."""
        return dict(self._types)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return len(self), len(self.columns)

    def head(self, n: int = 5) -> Self:
        """The first `n` rows; if `n` is negative, all but the last ones."""
        return self[:n]

    def tail(self, n: int = 5) -> Self:
        """The last `n` rows; if `n` is negative, all but the first ones."""
        return self[max(len(self) - n, 0) :] if n >= 0 else self[-n:]

    def copy(self) -> Self:
        """The same rows in a table of its own."""
        return self._like(range(len(self)))

    __copy__ = copy

    def with_pictures(self) -> Self:
        """The same table, displayed in a notebook with a small picture beside each address.

        A filter is drawn with its strongest kernel, or in colour if it reads a picture; a layer with its
        first filters. Each filter is normalized by itself. Pictures are drawn when the table is displayed,
        for the displayed rows only.

        Raises
        ------
        UsageError
            No column contains addresses.
        """
        if self._thumbnails is None or not self._address_columns:
            raise UsageError(
                "these rows have no addresses to draw",
                hint="those of filters, layers, stats, similar, duplicates and diff have, if not unpickled",
            )
        made = self.copy()
        made._pictured = True
        return made

    def to_arrow(self) -> pyarrow.Table:
        """The rows as a table of pyarrow, in which every column has one type.

        None becomes null; NaN stays NaN. Columns of the catalog and of results have the same type in every
        table, also if it is empty. Shapes of
        inputs and outputs are lists of texts, because free sizes have names: ``['N', '64', 'H', 'W']``. Other
        columns of mixed values become floats if they are numbers, else texts.

        Raises
        ------
        FilterkitError
            pyarrow is not installed.
        """
        from filterkit.results.arrow import arrow_table, arrow_types

        columns = {name: self._values(name) for name in self.columns}
        return arrow_table(columns, arrow_types(columns, own=self._types))

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame, with types as in `to_arrow`.

        Integers and truth values stay such even if some are missing (``Int64``, ``boolean``), and lists stay
        lists.

        Raises
        ------
        FilterkitError
            pandas or pyarrow is not installed.
        """
        from filterkit.results.arrow import pandas_frame

        return pandas_frame(self.to_arrow())

    def to_polars(self) -> polars.DataFrame:
        """The rows as a DataFrame of Polars, with types as in `to_arrow`.

        Raises
        ------
        FilterkitError
            Polars or pyarrow is not installed.
        """
        from filterkit.results.arrow import polars_frame

        return polars_frame(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        from filterkit.results.table_display import as_text

        return as_text(type(self).__name__, self._items, self.columns)

    def _repr_html_(self) -> str:
        from filterkit.results.table_display import as_html

        shown, pictured = self._items[:SHOWN], self._address_columns if self._pictured else ()
        addresses = [row[name] for row in shown for name in pictured if row.get(name)]
        pictures = self._thumbnails(addresses) if self._thumbnails and addresses else {}
        return as_html(shown, self.columns, len(self), pictures, pictured)

    @property
    def _address_columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name in ADDRESSES)

    def _values(self, name: str) -> list[Any]:
        if name not in self.columns:
            raise UnknownColumnError(f"there is no column '{name}'", hint=closest(name, self.columns))
        return [row.get(name) for row in self._items]

    def _selected(self, keys: Sequence[Any]) -> Rows:
        """The columns of these names, or the rows at these positions or truth values."""
        if keys and all(isinstance(key, str) for key in keys):
            columns = {name: self._values(name) for name in keys}
            return self._plain([{name: row.get(name) for name in columns} for row in self], columns)
        if keys and all(isinstance(key, bool) for key in keys):
            if len(keys) != len(self):
                raise UsageError(f"{len(keys):,} truth values cannot select from {len(self):,} rows")
            keys = [number for number, chosen in enumerate(keys) if chosen]
        return self._like(keys)

    def _like(self, numbers: Sequence[int]) -> Self:
        """The rows of these numbers, in a table of the same kind."""
        made = type(self).__new__(type(self))
        made.__dict__ |= self.__dict__
        for name in ("_items", *self._per_row):
            made.__dict__[name] = [self.__dict__[name][number] for number in numbers]
        return made

    def _plain(self, rows: Iterable[Row], columns: Iterable[str]) -> Rows:
        """Rows that are no longer the result of one operation."""
        made = Rows(rows, tuple(columns))
        made._types = self._types
        made._thumbnails, made._pictured = self._thumbnails, self._pictured
        return made


class Column(list[Any]):
    """The values of one column, as a list with a short `repr`."""

    def __init__(self, values: Iterable[Any], name: str) -> None:
        super().__init__(values)
        self.name = name

    def __repr__(self) -> str:
        from reprlib import Repr

        limits = Repr()
        limits.maxlist, limits.maxstring, limits.maxother = 6, 60, 60
        return f"{limits.repr_list(list(self), 2)} ({self.name}: {len(self):,} value{'s' * (len(self) != 1)})"

    def _compare(name: str) -> Callable[[Any, object], Any]:  # type: ignore[misc]
        def compare(self: list[Any], other: object) -> Any:
            if isinstance(other, bool | int | float | str):  # else an obscure error, or False
                raise UsageError(
                    f"a column is a list, and cannot be compared with {other!r}", hint=FILTER_HINT
                )
            return getattr(list, name)(self, other)

        return compare

    __eq__, __ne__ = _compare("__eq__"), _compare("__ne__")
    __lt__, __le__ = _compare("__lt__"), _compare("__le__")
    __gt__, __ge__ = _compare("__gt__"), _compare("__ge__")
    __hash__ = None
    del _compare


class Found(Rows):
    """The rows of a search result.

    Attributes
    ----------
    not_finite
        Number of kernels or filters that were skipped because they contain NaN or infinity.
    """

    def __init__(
        self, rows: Iterable[Row], columns: Iterable[str] | Mapping[str, Any], not_finite: int
    ) -> None:
        super().__init__(rows, columns)
        self.not_finite = not_finite
