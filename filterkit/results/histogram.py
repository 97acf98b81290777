"""The result of counting filters by ranges of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row


class Histogram(Rows):
    """How many filters have a value in each range of a column, from the lowest to the highest.

    Attributes
    ----------
    column
        Its name.
    without_value
        How many filters have none: the column is NULL where it is undefined, e.g. for weights that are NaN,
        and where it was not computed.
    infinite
        How many have an infinite value, which is in no range.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        *,
        column: str,
        without_value: int,
        infinite: int,
    ) -> None:
        super().__init__(rows, columns)
        self.column, self.without_value, self.infinite = column, without_value, infinite
