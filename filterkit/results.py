"""The results of operations: rows, sheets, feature maps, neighbours and differences.

They display themselves in a notebook, and those that can be drawn can be converted to a sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from filterkit.errors import UsageError
from filterkit.records import TileSheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.comparison.assignment import Assignment
    from filterkit.comparison.difference import Difference
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray

At = Literal["post", "pre"]

GRID_LIMIT = 600
"""Sheets with more tiles are drawn as a mosaic by default, as their labels would be too small."""

GRID_SIDE = 8_000
"""Sheets with more pixels per row or column are also drawn as a mosaic; grid has no room for their labels."""


def suits_grid(sheet: TileSheet) -> bool:
    """Whether a sheet is drawn with labels by default."""
    height, width = sheet.tile_shape
    return sheet.count <= GRID_LIMIT and max(sheet.rows * height, sheet.columns * width) <= GRID_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class Sheet(TileSheet):
    """A `TileSheet` that displays itself in a notebook."""

    @classmethod
    def of(cls, sheet: TileSheet) -> Sheet:
        """The same sheet as a `Sheet`."""
        return cls(**{field.name: getattr(sheet, field.name) for field in fields(TileSheet)})

    def _repr_png_(self) -> bytes:
        if suits_grid(self):
            from filterkit.renderers.grid import Grid

            with suppress(UsageError):  # even a few maps may be too large for a figure
                return Grid().render(self)
        from filterkit.renderers.mosaic import Mosaic

        return Mosaic().render(self)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a network runs: where the maps are taken, the size of pictures, the provider and threads.

    The values are those of `Workbench.iter_feature_maps`.
    """

    at: At = "post"
    size: str | None = None
    provider: str = "auto"
    threads: int | None = None


@runtime_checkable
class Drawable(Protocol):
    """A result that can be converted to a sheet."""

    @property
    def default_normalizer(self) -> str:
        """The default normalizer, as a spec string."""
        ...

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """Arrange the result for drawing."""
        ...


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


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourQuery:
    """The query of a search: a kernel, shape ``kernel_shape``, or a filter, shape (kernels, *kernel_shape).

    Attributes
    ----------
    name
        Its name in titles and labels.
    place
        Where it is in the catalog: the layer's id, the filter and, for a kernel, the kernel.
    """

    name: str
    level: Literal["kernel", "filter"]
    values: FloatArray
    place: tuple[int, int, int | None] | None = None


class Neighbours(Found):
    """The kernels or filters most similar to a query, best first; `Workbench.sheet` draws them.

    Attributes
    ----------
    query
        What was searched for.
    banks
        The memory-mapped bank of each layer among the rows, by the layer's address.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str],
        query: NeighbourQuery,
        banks: Mapping[str, FloatArray],
        not_finite: int,
    ) -> None:
        super().__init__(rows, columns, not_finite)
        self.query, self.banks = query, banks

    @property
    def default_normalizer(self) -> str:
        """Each kernel or filter separately, with zero in the middle."""
        return f"symmetric:per={self.query.level}"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """The query, then the results: one per row."""
        from filterkit.sheets.picked import neighbours_to_sheet

        return neighbours_to_sheet(self, normalizer)


@dataclass(frozen=True, slots=True, eq=False)
class LayerPair:
    """Two layers, or one without a partner.

    Attributes
    ----------
    a, b
        The layers; one of them may be None.
    reason
        Why they cannot be compared, or None; if set, the following attributes are None.
    weights_a, weights_b
        Their banks, memory-mapped.
    difference
        Differences between the filters of `a` and their partners.
    bias
        Absolute difference of the biases, shape (filters,); None if neither layer has any.
    assignment
        The pairing of filters of `a` and `b`; None if those of the same number are partners.
    """

    a: Match | None
    b: Match | None
    reason: str | None = None
    weights_a: FloatArray | None = None
    weights_b: FloatArray | None = None
    difference: Difference | None = None
    bias: NDArray[np.float64] | None = None
    assignment: Assignment | None = None

    def partner(self, number: int) -> int:
        """The filter of `b` that is the partner of filter `number` of `a`."""
        return number if self.assignment is None else int(self.assignment.filters[number])


class Differences(Rows):
    """The differences between two models; `Workbench.sheet` draws them.

    Attributes
    ----------
    pairs
        The compared layers.
    level
        Whether there is one row per layer or per filter.
    not_finite
        Number of pairs of filters that contain NaN or infinity.
    """

    default_normalizer = "symmetric:per=filter"

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Iterable[str],
        pairs: tuple[LayerPair, ...],
        level: Literal["layer", "filter"],
    ) -> None:
        super().__init__(rows, columns)
        self.pairs, self.level = pairs, level
        differences = [pair.difference for pair in pairs if pair.difference is not None]
        self.not_finite = sum(int((~each.finite).sum()) for each in differences)

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """The least similar pairs of filters, worst first.

        Raises
        ------
        UsageError
            No pair of filters is finite.
        """
        from filterkit.sheets.pairs import pairs_to_sheet

        return pairs_to_sheet(self, normalizer)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMaps:
    """The feature maps of layers for one picture.

    Attributes
    ----------
    maps
        Feature maps by the name of the layer, shape (channels, height, width), or (channels, length) in one
        dimension. After CReLU a filter has two maps, and all second ones follow all first ones; maxout and
        GLU produce fewer maps than there are filters.
    addresses
        The requested address, by layer.
    labels
        The label of each map, by layer: its filter's label or number.
    makers
        The address of what made each map, by layer: a filter, or a single kernel; the layer if several
        filters make one map.
    activations
        The activation after the layer, or None, by layer.
    image
        The picture, as named by the caller.
    image_name
        A name for it that is suitable for files.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran.
    at
        ``"post"`` or ``"pre"``: after or before the activation.
    of_several
        Whether the same call returns maps of more pictures.
    left_out
        The reason why a requested layer could not be run, by layer.
    """

    maps: Mapping[str, FloatArray]
    addresses: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]
    makers: Mapping[str, tuple[str, ...]]
    activations: Mapping[str, str | None]
    image: str
    image_name: str
    provider: str
    at: str = "post"
    of_several: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    def only(self, name: str) -> FeatureMaps:
        """The maps of one layer."""
        from dataclasses import replace

        return replace(
            self,
            maps={name: self.maps[name]},
            addresses={name: self.addresses[name]},
            labels={name: self.labels[name]},
            makers={name: self.makers[name]},
            activations={name: self.activations[name]},
        )

    @property
    def array(self) -> FloatArray:
        """The maps of a single layer, shape (channels, height, width).

        Raises
        ------
        UsageError
            There are several layers.
        """
        if len(self.maps) != 1:
            raise UsageError(
                f"these are the maps of {len(self.maps)} layers", hint="select one from .maps by name"
            )
        return next(iter(self.maps.values()))

    @property
    def without_activation(self) -> tuple[str, ...]:
        """Names of layers without a recognized activation, if the maps were to be taken after it.

        Their maps are the convolution's own output.
        """
        return tuple(name for name, found in self.activations.items() if self.at == "post" and not found)

    @property
    def stage(self) -> str:
        """Where the maps were taken, e.g. ``"after relu"``; empty if there is no activation."""
        names = sorted({name for name in self.activations.values() if name})
        return f"{'after' if self.at == 'post' else 'before'} {' and '.join(names)}" if names else ""

    @property
    def default_normalizer(self) -> str:
        """Each map separately; maps of a single value, as of a dense layer, together."""
        single = all(values[0].size == 1 for values in self.maps.values())
        return "minmax" if single else "minmax:per=filter"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """All maps of the picture on one sheet; several layers fit only if their maps have the same size.

        Raises
        ------
        UsageError
            The maps have several sizes.
        """
        from filterkit.sheets.maps import maps_to_sheet

        return maps_to_sheet(self, normalizer)

    def __repr__(self) -> str:
        shapes = (f"{self.addresses[name]} {maps.shape}" for name, maps in self.maps.items())
        return f"<maps of {self.image}: {', '.join(shapes)}>"

    def _repr_png_(self) -> bytes | None:
        """All maps on one sheet; None, which a notebook does not display, if they do not fit."""
        from filterkit.normalizers.minmax import MinMax

        try:
            sheet = self.to_sheet(MinMax(per="filter"))
        except UsageError:
            return None
        return Sheet.of(sheet)._repr_png_()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        import numpy as np

        return np.array(self.array, dtype=dtype, copy=copy)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
