"""Arrange optimized pictures as a sheet; signals are drawn as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from filterkit.records import TileSheet
from filterkit.sheets.provenance import listed, listed_models
from filterkit.sheets.tiles import in_rows, near_square

if TYPE_CHECKING:
    from filterkit.records import FloatArray
    from filterkit.results.visualize import Visualization

CURVE = (64, 192)
"""Height and width of the curve of a signal's channel."""

MOST_CURVES = 4
"""Limit on the channels of a signal that are drawn."""

INK = (0.12, 0.31, 0.55)


def visualizations_to_sheet(result: Visualization) -> TileSheet:
    """A tile for each picture; a row for each layer if there are several, of as many pictures each."""
    draw = curves if result.array.ndim == 3 else in_colour
    tiles = np.stack([draw(each) for each in result.array])
    parts = [address.rpartition("/") for address in result.addresses]
    layers = list(dict.fromkeys(layer for layer, _, _ in parts))
    counts = {layer: sum(each == layer for each, _, _ in parts) for layer in layers}
    several = len(layers) > 1
    columns = max(counts.values())
    rows = several and len({*counts.values()}) == 1 and columns > 1
    first = layers[0].partition("/")[0] if several else layers[0]
    labels = [
        f"{number if rows or not several else layer.partition('/')[2] + '/' + number}: {_short(value)}"
        for (layer, _, number), value in zip(parts, result.best, strict=True)
    ]
    steps = max(result.steps)
    return TileSheet(
        tiles=in_rows(tiles, columns) if rows else near_square(tiles),
        count=len(tiles),
        title=f"{first}: what its filters respond to most"
        if len({*result.addresses}) > 1
        else result.addresses[0],
        note=f"filter: response ({_OBJECTIVES[result.objective]}); {steps} steps, seed {result.seed}",
        row_labels=tuple(layer.partition("/")[2] for layer in layers) if rows else (),
        tile_labels=tuple(labels),
        addresses=result.addresses,
        provenance={
            "address": listed(result.addresses),
            "model": listed_models(result.models),
            "objective": result.objective,
            "steps": str(steps),
            "seed": str(result.seed),
            "provider": result.provider,
        },
    )


def _short(value: float) -> str:
    """A number for a narrow label."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


_OBJECTIVES = {"channel": "mean of its map", "unit": "middle of its map"}


def in_colour(picture: FloatArray) -> FloatArray:
    """A picture, shape (channels, height, width), as R, G, B on the last axis.

    Of more channels the first three are drawn, of one or two the first.
    """
    planes = picture[:3] if len(picture) >= 3 else np.repeat(picture[:1], 3, axis=0)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def curves(signal: FloatArray) -> FloatArray:
    """A signal, shape (channels, samples), as curves below each other, in colour."""
    height, width = CURVE
    planes = []
    for channel in signal[:MOST_CURVES]:
        ends = np.linspace(0, len(channel), min(width, len(channel)) + 1).astype(int)
        low, high = (each.reduceat(channel, ends[:-1]) for each in (np.minimum, np.maximum))
        # Columns reach the middle between their neighbours, so that the curve has no gaps.
        low[1:], high[1:] = np.minimum(low[1:], high[:-1]), np.maximum(high[1:], low[:-1])
        levels = np.rint((1 - np.stack([high, low])) / 2 * (height - 1)).astype(int)
        levels = np.repeat(levels, -(-width // levels.shape[1]), axis=1)[:, :width]
        place = np.arange(height)[:, None]
        inked = (place >= levels[0]) & (place <= levels[1])
        plane = np.where(inked[..., None], np.array(INK, np.float32), np.float32(1))
        plane[height // 2][~inked[height // 2]] = 0.85
        planes.append(plane)
    return np.concatenate(planes)
