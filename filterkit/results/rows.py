"""Tables: lists of rows that display themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row


class Rows(list["Row"]):
    """A list of rows (dictionaries with the same keys), displayed as a table in a notebook."""

    def __init__(self, rows: Iterable[Row], columns: Iterable[str]) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in self.columns) + "</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Found(Rows):
    """The rows of a search result.

    Attributes
    ----------
    not_finite
        Number of kernels or filters that were skipped because they contain NaN or infinity.
    """

    def __init__(self, rows: Iterable[Row], columns: Iterable[str], not_finite: int) -> None:
        super().__init__(rows, columns)
        self.not_finite = not_finite


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
