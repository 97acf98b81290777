"""Banks and feature maps, normalized and arranged as sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from filterkit.errors import UsageError
from filterkit.records import Normalized

if TYPE_CHECKING:
    from filterkit.catalog.matches import Match
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, TileSheet
    from filterkit.sheets import Channels
    from filterkit.workbench.views import FeatureMaps


def bank_to_sheet(
    match: Match, weights: FloatArray, normalizer: Normalizer, labels: Sequence[str], channels: Channels
) -> TileSheet:
    """The filters and kernels that `match` selects of the whole bank `weights`.

    The whole layer is normalized before anything is selected, so that a filter looks the same whether it is
    drawn alone or among all.
    """
    import numpy as np

    from filterkit.sheets import bank_sheet

    normalized = normalizer.normalize(weights)
    if match.asked.filters is not None or match.asked.kernels is not None:
        chosen = np.ix_(match.filters, match.kernels)
        weights = weights[chosen]
        normalized = replace(normalized, values=normalized.values[chosen])
    return bank_sheet(
        normalized,
        filters=match.filters,
        kernels=match.kernels,
        channel_names=match.layer["input_channels"],
        filter_labels=labels,
        channels=channels,
        title=match.address,
        values=weights,
        address=match.address,
    )


def usual_normalizer(maps: FeatureMaps) -> str:
    """Every map by itself, unless maps of one value are all there is: those are held against each other."""
    single = all(values[0].size == 1 for values in maps.maps.values())
    return "minmax" if single else "minmax:per=filter"


def maps_to_sheet(maps: FeatureMaps, normalizer: Normalizer) -> TileSheet:
    """All maps of one picture on one sheet; several layers fit where their maps have one size.

    Raises
    ------
    UsageError
        The maps have several sizes.
    """
    import numpy as np

    from filterkit.sheets import maps_sheet

    sizes = {values.shape[1:] for values in maps.maps.values()}
    if len(sizes) > 1:
        raise UsageError(
            f"the maps of {len(maps.maps)} layers have different sizes and do not fit into one picture",
            hint="write them to a folder, e.g. -o maps, or take one layer",
        )
    unscaled = [values[:, None] for values in maps.maps.values()]
    each = [normalizer.normalize(values) for values in unscaled]
    if len(each) == 1:
        [normalized], [labels], [what] = each, maps.labels.values(), maps.addresses.values()
    else:
        # Every layer was normalized by itself, so there is no one scale for all.
        scaled = np.concatenate([one.values for one in each])
        normalized = Normalized(
            scaled, None, None, None, sum(one.non_finite for one in each), each[0].summary
        )
        labels = tuple(label for name in maps.maps for label in _labels_of_several(maps, name))
        what = next(iter(maps.addresses.values())).partition("/")[0]
    sheet = maps_sheet(
        normalized,
        filters=range(len(labels)),
        filter_labels=labels,
        title=f"{what}: " + ", ".join(filter(None, (maps.image_name, maps.stage))),
        values=unscaled[0] if len(unscaled) == 1 else np.concatenate(unscaled),
    )
    return replace(sheet, addresses=tuple(chain.from_iterable(maps.makers.values())))


def _labels_of_several(maps: FeatureMaps, layer: str) -> list[str]:
    """Labels that tell the layers apart: the layer's name alone where it has one map."""
    labels = maps.labels[layer]
    return [layer] if len(labels) == 1 else [f"{layer}/{label}" for label in labels]
