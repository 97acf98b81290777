"""The result of a search: the neighbours of a kernel or filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import UsageError
from filterkit.results.rows import Found
from filterkit.results.sheet import Pictured
from filterkit.short_reprs import short_repr

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourQuery:
    """The query of a search: a kernel, shape ``kernel_shape``, or a filter, shape (kernels, *kernel_shape).

    Attributes
    ----------
    name
        Its name in titles and labels.
    place
        Where it is in the catalog: the layer's id, the filter and, for a kernel, the kernel.
    input_channels
        Names of its layer's input channels, if that reads a picture.
    """

    name: str
    level: Literal["kernel", "filter"]
    values: FloatArray
    place: tuple[int, int, int | None] | None = None
    input_channels: tuple[str, ...] = ()

    __repr__ = short_repr


class Neighbours(Found, Pictured):
    """The kernels or filters most similar to a query, best first; `Workbench.sheet` draws them.

    Attributes
    ----------
    query
        What was searched for.
    banks
        The memory-mapped bank of each layer among the rows, by the layer's address.
    input_channels
        Names of the input channels of those layers that read a picture.
    models
        The SHA-256 of each model among the rows, by its name.
    places
        By response, the layers of the rows and of the query, by address; their filters may differ in shape.
    undefined
        By response, the number of filters without a correlation, as their responses are constant.
    other_pictures
        By response, the number of layers that were not searched, as they were observed over other pictures.
    observation
        By response, the name of the query's observation, and its number of pictures.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str] | Mapping[str, Any],
        query: NeighbourQuery,
        banks: Mapping[str, FloatArray],
        not_finite: int,
        input_channels: Mapping[str, tuple[str, ...]] | None = None,
        models: Mapping[str, str] | None = None,
        *,
        places: Mapping[str, Match] | None = None,
        undefined: int = 0,
        other_pictures: int = 0,
        observation: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(rows, columns, not_finite)
        self.query, self.banks, self.input_channels = query, banks, input_channels or {}
        self.models, self.places = models or {}, places or {}
        self.undefined, self.other_pictures, self.observation = undefined, other_pictures, observation

    def mapped(self, number: int) -> FloatArray:
        """The weights of a row after its transform, which maps them onto the query.

        Returns
        -------
        ndarray
            Shape of the query: ``kernel_shape``, or (kernels, *kernel_shape).

        Raises
        ------
        UsageError
            The rows were found by response, so that nothing is mapped.
        """
        from filterkit.comparison.neighbours import turns_of

        if self.places:
            raise UsageError("results by response have no transform", hint="search by weights")
        row = self._items[number]
        weights = self.banks[f"{row['model']}/{row['layer']}"][row["filter"]]
        if row["kernel"] is not None:
            weights = weights[row["kernel"]]
        axes = weights.shape[0 if row["kernel"] is not None else 1 :]
        name = row["transform"].removeprefix("-")
        turn = next(each for each in turns_of(axes, flip=True, rotate=True) if str(each) == name)
        turned: FloatArray = turn.apply(weights)
        return -turned if row["transform"].startswith("-") else turned

    @property
    def default_normalizer(self) -> str:
        """Each kernel or filter separately, with zero in the middle."""
        return f"symmetric:per={self.query.level}"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """The query, then the results: one per row."""
        from filterkit.sheets.picked import correlated_to_sheet, neighbours_to_sheet

        if self.places:
            return correlated_to_sheet(self, normalizer)
        return neighbours_to_sheet(self, normalizer)
