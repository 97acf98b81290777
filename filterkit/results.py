"""What operations return: rows, sheets, feature maps, neighbours and differences.

They show themselves in a notebook, and those that can be drawn know how they become a sheet.
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
"""Sheets of more tiles are drawn as a mosaic unless a renderer is named: labels would be too small."""

GRID_SIDE = 8_000
"""So are sheets of more pixels in a row or column, which grid would refuse together with its labels."""


def suits_grid(sheet: TileSheet) -> bool:
    """Whether a sheet is drawn with labels unless a renderer is named."""
    height, width = sheet.tile_shape
    return sheet.count <= GRID_LIMIT and max(sheet.rows * height, sheet.columns * width) <= GRID_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class Sheet(TileSheet):
    """A `TileSheet` that draws itself in a notebook."""

    @classmethod
    def of(cls, sheet: TileSheet) -> Sheet:
        """The same sheet, able to show itself."""
        return cls(**{field.name: getattr(sheet, field.name) for field in fields(TileSheet)})

    def _repr_png_(self) -> bytes:
        if suits_grid(self):
            from filterkit.renderers.grid import Grid

            with suppress(UsageError):  # a few maps may be too large for a figure, too
                return Grid().render(self)
        from filterkit.renderers.mosaic import Mosaic

        return Mosaic().render(self)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a network runs: where its maps are taken, the size of pictures, the provider and its threads.

    The values are those of `Workbench.iter_feature_maps`.
    """

    at: At = "post"
    size: str | None = None
    provider: str = "auto"
    threads: int | None = None


@runtime_checkable
class Drawable(Protocol):
    """A result that can become a sheet."""

    @property
    def default_normalizer(self) -> str:
        """The normalizer that suits it, as a spec string."""
        ...

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """Arranged for drawing."""
        ...


class Rows(list["Row"]):
    """A list of rows (dictionaries with the same keys), shown as a table in a notebook."""

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
    """Rows that a search found.

    Attributes
    ----------
    not_finite
        How many kernels or filters hold NaN or infinity, and were skipped.
    """

    def __init__(self, rows: Iterable[Row], columns: Iterable[str], not_finite: int) -> None:
        super().__init__(rows, columns)
        self.not_finite = not_finite


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourQuery:
    """What a search looks for: a kernel, shape ``kernel_shape``, or a filter, shape (kernels, *kernel_shape).

    Attributes
    ----------
    name
        What to call it.
    place
        Where it is in the catalog: the layer's id, the filter and, of a kernel, the kernel.
    """

    name: str
    level: Literal["kernel", "filter"]
    values: FloatArray
    place: tuple[int, int, int | None] | None = None


class Neighbours(Found):
    """The kernels or filters most similar to one, best first; `Workbench.sheet` draws them.

    Attributes
    ----------
    query
        What was looked for.
    banks
        From the address of each layer that is among the rows to its bank, mapped.
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
        """Each kernel or filter by itself, with zero in the middle."""
        return f"symmetric:per={self.query.level}"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """What was looked for, then what was found: one per row."""
        from filterkit.sheets.neighbours import neighbours_to_sheet

        return neighbours_to_sheet(self, normalizer)


@dataclass(frozen=True, slots=True, eq=False)
class LayerPair:
    """Two layers, or one without a partner.

    Attributes
    ----------
    a, b
        One of them may be None.
    reason
        Why they cannot be compared, where they cannot; what follows is None then.
    weights_a, weights_b
        Their banks, mapped.
    difference
        Of the filters of `a` and their partners.
    bias
        Magnitude of the difference of the biases, shape (filters,); None where neither layer has any.
    assignment
        Which filter of `b` is whose partner; None where it is the one of the same number.
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
        """The filter of `b` that goes with filter `number` of `a`."""
        return number if self.assignment is None else int(self.assignment.filters[number])


class Differences(Rows):
    """Rows about two models; a sheet can be made of them.

    Attributes
    ----------
    pairs
        What the rows are about, layer by layer.
    level
        Whether there is a row per layer or per filter.
    not_finite
        How many pairs of filters hold NaN or infinity.
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
    """What layers answered to one picture.

    Attributes
    ----------
    maps
        From a layer's name to its feature maps, shape (channels, height, width); in one dimension (channels,
        length). After CReLU a filter has two maps, and all second ones come behind all first ones; maxout
        and GLU leave fewer maps than there are filters.
    addresses
        From the same names to the address of what was asked for.
    labels
        From the same names to what to call each map: its filter's label or number.
    makers
        From the same names to the address of what made each map: a filter, or a single kernel; the layer
        where several filters make one.
    activations
        From the same names to the activation behind the layer, or None.
    image
        The picture, as named by whoever asked.
    image_name
        A name for it that suits a file.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran.
    at
        ``"post"`` or ``"pre"``: after or before the activation.
    of_several
        Whether more pictures were asked for in the same call.
    left_out
        From the name of a layer that was asked for and cannot be run to the reason.
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
        """The maps of the only layer, shape (channels, height, width).

        Raises
        ------
        UsageError
            There are several layers.
        """
        if len(self.maps) != 1:
            raise UsageError(
                f"these are the maps of {len(self.maps)} layers", hint="take one from .maps by its name"
            )
        return next(iter(self.maps.values()))

    @property
    def without_activation(self) -> tuple[str, ...]:
        """Names of the layers that were asked for after their activation, and have none that was recognized.

        Their maps are the convolution's own output.
        """
        return tuple(name for name, found in self.activations.items() if self.at == "post" and not found)

    @property
    def stage(self) -> str:
        """Where the maps were taken, in words: ``"after relu"``, or nothing where no activation follows."""
        names = sorted({name for name in self.activations.values() if name})
        return f"{'after' if self.at == 'post' else 'before'} {' and '.join(names)}" if names else ""

    @property
    def default_normalizer(self) -> str:
        """Each map by itself; maps of one value, as of a dense layer, together."""
        single = all(values[0].size == 1 for values in self.maps.values())
        return "minmax" if single else "minmax:per=filter"

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """All maps of the picture on one sheet; several layers fit where their maps have one size.

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
        """All maps on one sheet; None, for a notebook no picture, where they do not fit on one."""
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
