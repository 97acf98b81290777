"""The result of `exemplars`: the pictures to which filters respond most, or least."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows
from filterkit.results.sheet import Pictured

if TYPE_CHECKING:
    from pathlib import Path

    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, Preprocessing, SourceImage, TileSheet

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
    method
        The attribution method whose maps are drawn beside the crops, as a spec string; None for the crops
        alone.
    attributions
        By address and rank, the attribution of the response to the pixels of the `box`: shape (height,
        width), the total over channels. Sides of more than 96 pixels are reduced to that. Those of pictures
        that were not found are missing.
    notes
        What the method reports, e.g. that a map is zero, and the exemplar that it is about.
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
        method: str | None = None,
        attributions: Mapping[tuple[str, int], FloatArray] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(rows, COLUMNS)
        self.observation, self.lowest = dict(observation), lowest
        self.preprocessings, self.elsewhere = preprocessings, tuple(elsewhere)
        self.kept, self.models = dict(kept), dict(models)
        self.method, self.attributions, self.notes = method, dict(attributions or {}), tuple(notes)
        self.missing: tuple[str, ...] = ()

    @property
    def default_normalizer(self) -> str:
        """The crops of a filter have one contrast."""
        return "minmax:per=filter"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """One row per filter, with the receptive field of each exemplar, from the original pictures.

        Beside each is its attribution, if there is a `method`.

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
        sheet = exemplars_to_sheet(self, found, normalizer)
        return sheet if self.method is None else self._with_attributions(sheet, self.method)

    def _with_attributions(self, sheet: TileSheet, method: str) -> TileSheet:
        from filterkit.normalizers.symmetric import Symmetric
        from filterkit.renderers.canvas import colour_table
        from filterkit.results.attribute import INSENSITIVE, RISES, SIGNED, UNSIGNED
        from filterkit.sheets.exemplar_attributions import with_attributions

        keys = [(row["address"], row["rank"]) for row in self]
        maps = {key: self.attributions[key] for key in keys if key in self.attributions}
        is_signed = any(each.min() < 0 for each in maps.values())
        captions = [RISES] if is_signed else []
        if method in INSENSITIVE:
            captions.append("it hardly depends on what the later layers have learned")
        colours = colour_table(SIGNED if is_signed else UNSIGNED)
        return with_attributions(
            sheet, maps, method, Symmetric(), colours, is_signed=is_signed, captions=captions
        )
