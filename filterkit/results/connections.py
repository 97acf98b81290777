"""The result of a search for connections: which filters of the layers before excite and inhibit a filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row


class Connections(Rows):
    """The strongest connections of each filter, filter by filter.

    Attributes
    ----------
    left_out
        Maps the addresses of layers that have no rows to the reason: they read the input of the network, or
        their input cannot be followed back to layers.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        left_out: Mapping[str, str],
    ) -> None:
        super().__init__(rows, columns)
        self.left_out = dict(left_out)
