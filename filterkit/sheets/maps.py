"""Arrange feature maps as a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from filterkit.errors import UsageError
from filterkit.sheets.provenance import listed, listed_models
from filterkit.sheets.tiles import bank_sheet, combined

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, Normalized, TileSheet
    from filterkit.results.maps import FeatureMaps


def maps_to_sheet(maps: FeatureMaps, normalizer: Normalizer) -> TileSheet:
    """All maps of one picture on one sheet; several layers fit only if their maps have the same size.

    Raises
    ------
    UsageError
        The maps have several sizes.
    """
    import numpy as np

    sizes = {values.shape[1:] for values in maps.maps.values()}
    if len(sizes) > 1:
        raise UsageError(
            f"the maps of {len(maps.maps)} layers have different sizes and do not fit into one picture",
            hint="write them to a folder (a name without a suffix), or choose one layer",
        )
    unscaled = [values[:, None] for values in maps.maps.values()]
    each = [normalizer.normalize(values) for values in unscaled]
    if len(each) == 1:
        [normalized], [labels], [what] = each, maps.labels.values(), maps.addresses.values()
    else:
        normalized = combined(each, np.concatenate([one.values for one in each]))
        labels = tuple(label for name in maps.maps for label in _labels_of_several(maps, name))
        what = next(iter(maps.addresses.values())).partition("/")[0]
    sheet = maps_sheet(
        normalized,
        filters=range(len(labels)),
        filter_labels=labels,
        title=f"{what}: " + ", ".join(filter(None, (maps.image_name, maps.stage))),
        values=unscaled[0] if len(unscaled) == 1 else np.concatenate(unscaled),
    )
    provenance = {
        "address": listed([*maps.addresses.values()]),
        "model": listed_models(maps.models),
        "image": maps.image_name,
        "at": maps.at,
        "provider": maps.provider,
    }
    return replace(sheet, addresses=tuple(chain.from_iterable(maps.makers.values())), provenance=provenance)


def maps_sheet(
    normalized: Normalized,
    *,
    filters: Sequence[int],
    filter_labels: Sequence[str] = (),
    title: str = "",
    note: str | None = None,
    values: FloatArray | None = None,
) -> TileSheet:
    """Arrange the feature maps of a layer near-square, one labelled tile per map.

    Parameters
    ----------
    normalized
        Values to draw, shape (maps, 1, *map_shape).
    filters
        The numbers of the filters that made them, for the labels.
    filter_labels, title, note, values
        As in `bank_sheet`.

    Raises
    ------
    UsageError
        Nothing is selected.
    """
    return bank_sheet(
        normalized,
        filters=filters,
        kernels=[0],
        filter_labels=filter_labels,
        title=title,
        note=note,
        values=values,
    )


def _labels_of_several(maps: FeatureMaps, layer: str) -> list[str]:
    """Labels that distinguish the layers: the layer's name alone if it has one map."""
    labels = maps.labels[layer]
    return [layer] if len(labels) == 1 else [f"{layer}/{label}" for label in labels]
