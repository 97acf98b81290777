"""The result of an ablation: what changes at a target of the network without each filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterkit.results.rows import Rows
from filterkit.results.sheet import Pictured
from filterkit.short_reprs import short_repr

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet


@dataclass(frozen=True, slots=True, eq=False)
class AblatedLayer:
    """A layer with ablated filters, for drawing.

    Attributes
    ----------
    bank
        All of its filters, memory-mapped.
    input_channels
        Names of its input channels, if it reads a picture.
    maps
        Its feature maps of the first picture, shape (filters, *positions), as far as the next layer sees
        them; None if they are not known.
    """

    bank: FloatArray
    input_channels: tuple[str, ...] = ()
    maps: FloatArray | None = None

    __repr__ = short_repr


class Ablations(Rows, Pictured):
    """What changes at a target without each filter, the largest changes first; `Workbench.sheet` draws them.

    Attributes
    ----------
    target
        The output or the filters whose value changes.
    filters
        Number of filters that were ablated; the rows have those with the largest changes.
    images
        Number of pictures.
    first_image
        The name of the first picture.
    estimated
        Whether the changes are estimates (gradient times activation).
    rank_correlation
        Spearman's rank correlation of estimated and exact changes, for a sample of the filters and the first
        picture; None without `estimated`, and if it is undefined, because all changes are equal.
    sample
        Number of filters of this sample.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran.
    notes
        What users should know of the target.
    layers
        The layers among the rows, by address.
    models
        The SHA-256 of the model, by its name.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        *,
        target: str,
        filters: int,
        images: int,
        first_image: str,
        provider: str,
        layers: Mapping[str, AblatedLayer],
        models: Mapping[str, str],
        estimated: bool = False,
        rank_correlation: float | None = None,
        sample: int = 0,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(rows, columns)
        self.target, self.filters, self.images, self.first_image = target, filters, images, first_image
        self.estimated, self.rank_correlation, self.sample = estimated, rank_correlation, sample
        self.provider, self.notes = provider, notes
        self.layers, self.models = layers, models

    @property
    def default_normalizer(self) -> str:
        """Each filter separately, with zero in the middle."""
        return "symmetric:per=filter"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """One row per filter: its strongest kernel, its map of the first picture, and the change as a bar."""
        from filterkit.sheets.ablations import ablations_to_sheet

        return ablations_to_sheet(self, normalizer)
