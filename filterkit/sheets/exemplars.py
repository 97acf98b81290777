"""Arrange exemplars as a sheet: one row per filter, with its crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from filterkit.records import TileSheet
from filterkit.sheets.provenance import listed, listed_models

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray
    from filterkit.results.exemplar_crops import Crops
    from filterkit.results.exemplars import Exemplars

AROUND = 1.0
"""What is drawn beside crops that are not square."""

MISSING = 0.85
"""What is drawn for a picture that was not found."""


def exemplars_to_sheet(exemplars: Exemplars, crops: Crops, normalizer: Normalizer) -> TileSheet:
    """One row per filter, in the order of the rows; the label of each crop is its response."""
    rows = list(exemplars)
    addresses = list(dict.fromkeys(row["address"] for row in rows))
    number = {address: place for place, address in enumerate(addresses)}
    columns = max(row["rank"] for row in rows)
    side = crops.pictures.shape[1]
    tiles = np.full((len(addresses) * columns, side, side, 3), np.nan, np.float32)
    labels = [""] * len(tiles)
    places = [number[row["address"]] * columns + row["rank"] - 1 for row in rows]
    tiles[places] = crops.pictures
    for place, row, crop in zip(places, rows, crops.pictures, strict=True):
        labels[place] = f"{row['value']:.4g}" + ("" if np.isfinite(crop).any() else " missing")
    models = list(dict.fromkeys(address.partition("/")[0] for address in addresses))
    layers = list(dict.fromkeys(address.rpartition("/")[0] for address in addresses))
    names = [address.rpartition("/")[2] if len(layers) == 1 else address for address in addresses]
    observations = listed(list(exemplars.observation.values()))
    what = "lowest" if exemplars.lowest else "highest"
    return TileSheet(
        tiles=_normalized(tiles.reshape(len(addresses), columns, side, side, 3), normalizer),
        count=len(addresses) * columns,
        title=f"{listed(layers)}: {what} responses in observation {observations}",
        note=f"receptive fields in the original pictures, the {what} response first; numbers are responses",
        row_labels=tuple(names),
        tile_labels=tuple(labels),
        addresses=tuple(address for address in addresses for _ in range(columns)),
        provenance={
            "address": listed(addresses),
            "model": listed_models({name: exemplars.models[name] for name in models}),
            "observation": observations,
        },
    )


def _normalized(tiles: FloatArray, normalizer: Normalizer) -> FloatArray:
    """Normalize the crops of each filter together; all channels alike, so that colours stay.

    In place, as most of the time would be spent on memory for copies.
    """
    known = np.isfinite(tiles)
    for own, filled in zip(known, tiles, strict=True):  # what is beside a crop must not change its contrast
        filled[~own] = filled[own].min() if own.any() else 0
    tiles[...] = normalizer.normalize(tiles).values
    tiles[~known] = AROUND
    tiles[~known.any(axis=(2, 3, 4))] = MISSING
    return tiles
