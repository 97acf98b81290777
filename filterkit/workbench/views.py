"""What the workbench hands out: sheets and feature maps that show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.records import TileSheet

if TYPE_CHECKING:
    from filterkit.records import FloatArray

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

    def __repr__(self) -> str:
        shapes = (f"{self.addresses[name]} {maps.shape}" for name, maps in self.maps.items())
        return f"<maps of {self.image}: {', '.join(shapes)}>"

    def _repr_png_(self) -> bytes | None:
        """All maps on one sheet; None, for a notebook no picture, where they do not fit on one."""
        from filterkit.normalizers.minmax import MinMax
        from filterkit.workbench.drawing import maps_to_sheet

        try:
            sheet = maps_to_sheet(self, MinMax(per="filter"))
        except UsageError:
            return None
        return Sheet.of(sheet)._repr_png_()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        import numpy as np

        return np.array(self.array, dtype=dtype, copy=copy)
