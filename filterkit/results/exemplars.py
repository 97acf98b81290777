"""The result of `exemplars`: the pictures to which filters respond most, or least."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows
from filterkit.results.sheet import Pictured

if TYPE_CHECKING:
    from pathlib import Path

    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import Preprocessing, SourceImage, TileSheet

COLUMNS: Mapping[str, Any] = {
    "address": str,
    "rank": int,
    "value": float,
    "image": str,
    "sha256": str,
    "label": str,
    "y": int,
    "x": int,
    "box": list[int],
    "at_border": bool,
}


class Exemplars(Rows, Pictured):
    """The pictures with the highest responses of filters, or the lowest; `Workbench.sheet` draws them.

    Attributes
    ----------
    observation
        The observation of each model, by the model's name.
    lowest
        Whether the responses are the lowest.
    preprocessings
        How pictures are read, by the model's name.
    elsewhere
        Where pictures are looked for that are no longer at their path.
    kept
        Copies of pictures in the store, by their hash.
    models
        The SHA-256 of each model, by its name.
    missing
        The pictures that were not found when the sheet was made, in the order of the rows.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        *,
        observation: Mapping[str, str],
        lowest: bool,
        preprocessings: Mapping[str, Preprocessing | None],
        elsewhere: Sequence[SourceImage],
        kept: Mapping[str, Path],
        models: Mapping[str, str],
    ) -> None:
        super().__init__(rows, COLUMNS)
        self.observation, self.lowest = dict(observation), lowest
        self.preprocessings, self.elsewhere = preprocessings, tuple(elsewhere)
        self.kept, self.models = dict(kept), dict(models)
        self.missing: tuple[str, ...] = ()

    @property
    def default_normalizer(self) -> str:
        """The crops of a filter have one contrast."""
        return "minmax:per=filter"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """One row per filter, with the receptive field of each exemplar, from the original pictures.

        Raises
        ------
        UsageError
            There are no rows, or the network takes no pictures.
        NotFoundError
            None of the pictures was found.
        """
        from filterkit.results.exemplar_crops import crops
        from filterkit.sheets.exemplars import exemplars_to_sheet

        found = crops(self)
        self.missing = found.missing
        return exemplars_to_sheet(self, found, normalizer)
