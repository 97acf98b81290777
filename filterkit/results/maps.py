"""The result of a run: the feature maps of layers for one picture."""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from numpy.lib.mixins import NDArrayOperatorsMixin

from filterkit.errors import LayerNameError, UsageError, closest, one_line
from filterkit.results.sheet import Pictured, Sheet
from filterkit.short_reprs import array_text, short, shortened

if TYPE_CHECKING:
    import numpy as np

    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, TileSheet

SHOWN = 4
"""Number of layers in a repr, which has the range of each."""


class ArraysByLayer(dict[str, "FloatArray"]):
    """Arrays by the names of layers, with a short `repr`."""

    def __repr__(self) -> str:
        return shortened(short.repr_dict(self, short.maxlevel))


class SeveralLayersError(UsageError, AttributeError):
    """An attribute of arrays that the maps of several layers do not have."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FeatureMaps(NDArrayOperatorsMixin, Pictured):
    """The feature maps of layers for one picture.

    Those of one layer can be used as an array (channels, height, width): ``maps[0]``, ``maps.shape``,
    ``maps.mean(axis=(1, 2))``, ``maps > 0``, ``numpy.asarray(maps)``. Those of several layers can be used as
    a mapping: ``maps["block1_conv1"]`` is the array of a layer, and iteration yields names. A layer's name
    selects it in either case.

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
    models
        The SHA-256 of the model, by its name.
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
    models: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", ArraysByLayer(self.maps))

    def only(self, name: str) -> FeatureMaps:
        """The maps of one layer."""
        from dataclasses import replace

        return replace(
            self,
            maps={name: self[name]},
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
            names = ", ".join(self.maps)
            raise UsageError(
                shortened(one_line(f"these are the maps of {len(self.maps)} layers: {names}")),
                hint=f"select one by name, e.g. maps[{next(iter(self.maps), '')!r}]",
            )
        return next(iter(self.maps.values()))

    @overload
    def __getitem__(self, key: str) -> FloatArray: ...
    @overload
    def __getitem__(self, key: int) -> FloatArray: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self.array[key]
        if key not in self.maps:
            reason = self.left_out.get(key)
            raise LayerNameError(f"there are no maps of '{key}'", hint=reason or closest(key, self.maps))
        return self.maps[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            self[key][...] = value  # the layer's array stays the same
        else:
            self.array[key] = value

    def __len__(self) -> int:
        """Number of maps of one layer; of several, the number of layers."""
        return len(self.maps) if len(self.maps) != 1 else len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.maps if len(self.maps) != 1 else self.array)

    def __contains__(self, item: object) -> bool:
        return item in self.maps if isinstance(item, str) or len(self.maps) != 1 else item in self.array

    def get(self, name: str, default: Any = None) -> Any:
        """The array of a layer, or `default` if there is no such layer."""
        return self.maps.get(name, default)

    def keys(self) -> KeysView[str]:
        """Names of the layers."""
        return self.maps.keys()

    def values(self) -> ValuesView[FloatArray]:
        """The array of each layer, shape (channels, height, width)."""
        return ValuesView(self.maps)

    def items(self) -> ItemsView[str, FloatArray]:
        """The name of each layer, and its array."""
        return ItemsView(self.maps)

    if TYPE_CHECKING:  # like all other attributes of arrays, they are those of `array`

        @property
        def shape(self) -> tuple[int, ...]: ...
        @property
        def ndim(self) -> int: ...
        @property
        def dtype(self) -> np.dtype[np.floating]: ...

    def __getattr__(self, name: str) -> Any:
        import numpy as np

        if name.startswith("_") or not hasattr(np.ndarray, name):
            text = f"'{type(self).__name__}' object has no attribute '{name}'"
            raise AttributeError(text, name=name, obj=self)
        try:
            array = self.array
        except UsageError as error:
            raise SeveralLayersError(error.message, hint=error.hint) from None
        return getattr(array, name)

    def __dir__(self) -> list[str]:
        own = object.__dir__(self)
        names = dir(self.array) if len(self.maps) == 1 else ()
        return sorted({*own, *(name for name in names if not name.startswith("_"))})

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

    def save(
        self,
        path: str | os.PathLike[str],
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> None:
        """Write the maps as arrays or as pictures.

        Parameters
        ----------
        path
            An ``.npy`` file for the array of one layer, (channels, height, width); an ``.npz`` or
            ``.safetensors`` file for an array per layer, by name; a picture file, with a suffix as in
            `Workbench.draw`, for all maps on one sheet; or a folder, which exists or has no suffix, for a
            picture per layer. `Workbench.write_maps` writes the maps of several pictures.
        normalizer
            For pictures, as in `Workbench.sheet`; the default is symmetric about zero for a diverging
            ``colormap``.
        renderer, options
            For pictures, as in `Sheet.save`.

        Raises
        ------
        UsageError
            The maps do not fit into one file, or there is no such format.
        """
        from filterkit.formats.arrays import ARRAYS
        from filterkit.plugins.options import chosen_option
        from filterkit.renderers.drawing import draw, hint_of_arrays, is_folder
        from filterkit.results.sheet import drawn, installed, saved_as_arrays

        target = Path(path)
        if saved_as_arrays(self.maps, target, normalizer, renderer, options):
            return
        parts = [self.only(name) for name in self.maps] if is_folder(target) else [self]
        registry, colormap = installed(), chosen_option(renderer, "colormap", options.get("colormap"))
        sheets = ((next(iter(part.maps)), drawn(registry, part, normalizer, colormap)) for part in parts)
        with hint_of_arrays(ARRAYS):
            for _ in draw(registry, sheets, target, renderer, options):
                pass

    def __repr__(self) -> str:
        layers = [*self.maps][:SHOWN]
        texts = [f"{self.addresses[name]} {array_text(self.maps[name])}" for name in layers]
        more = f"; {len(self.maps) - SHOWN} more layers" if len(self.maps) > SHOWN else ""
        image = shortened(self.image, 60)
        return one_line(f"<FeatureMaps of {image}: {'; '.join(shortened(t, 100) for t in texts)}{more}>")

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.maps]

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

    __hash__ = object.__hash__  # as comparison with an array returns an array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = (each.array if isinstance(each, FeatureMaps) else each for each in inputs)
        return getattr(ufunc, method)(*arrays, **options)

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, ...]:
        return self.array.__dlpack_device__()
