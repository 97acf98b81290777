"""The result of `stats`: the metrics of layers, and which layers they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Row


class LayerStatistics(Rows):
    """The metrics of layers, one row each; `Workbench.stats_chart` draws them.

    Attributes
    ----------
    matches
        The layers of the rows, with the columns ``measured`` and ``sha256`` of their models.
    """

    def __init__(
        self, rows: Iterable[Row], columns: Iterable[str] | Mapping[str, Any], matches: Sequence[Match]
    ) -> None:
        super().__init__(rows, columns)
        self.matches = tuple(matches)
