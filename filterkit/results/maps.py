"""The result of a run: the feature maps of layers for one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.results.sheet import Sheet

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, TileSheet


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
