"""Arrange ablated filters as a list: the filter, its feature map, and the change without it as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError
from filterkit.records import TileSheet
from filterkit.sheets.provenance import listed, listed_models
from filterkit.sheets.tiles import as_pictures

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray
    from filterkit.results.ablate import AblatedLayer, Ablations

MOST = 40
"""Limit on the filters in one picture."""

SIDE, GAP, BAR = 56, 8, 320
"""Height of a row and side of its pictures, distance between its parts, and length of the axis of bars."""

RISES, FALLS, AXIS = (0.70, 0.09, 0.17), (0.13, 0.40, 0.67), (0.6, 0.6, 0.6)
"""Colours of bars and of the line at zero: the ends of the colormap RdBu_r."""


def ablations_to_sheet(found: Ablations, normalizer: Normalizer) -> TileSheet:
    """One row per filter, in one column of tiles in colour.

    Raises
    ------
    UsageError
        There are no rows.
    """
    if not found:
        raise UsageError("there is nothing to draw: no filter was ablated", hint="select other rows")
    rows = list(found)[:MOST]
    layers = [found.layers[row["address"].rpartition("/")[0]] for row in rows]
    changes = [float(row["change"]) for row in rows]
    numbers = [int(row["address"].rpartition("/")[2]) for row in rows]
    columns = [[_filter(*each, normalizer) for each in zip(layers, numbers, strict=True)], [*_bars(changes)]]
    maps = [layer.maps for layer in layers]
    shown = [_map(each[number]) for each, number in zip(maps, numbers, strict=True) if each is not None]
    if len(shown) == len(rows):
        columns.insert(1, shown)
    blank = np.ones((SIDE, GAP, 3), np.float32)
    tiles = [
        np.concatenate([piece for part in parts for piece in (part, blank)][:-1], axis=1)
        for parts in zip(*columns, strict=True)
    ]
    names = [row["address"].partition("/")[2] for row in rows]
    how = "estimated change" if found.estimated else "change"
    first = Path(found.first_image).name
    pictures = first if found.images == 1 else f"mean of {found.images:,} images"
    whole = " and ".join([*found.layers][:2]) + (", …" if len(found.layers) > 2 else "")
    note = [
        f"with all filters {rows[0]['before']:.4g}; bar: the {how} without the filter; "
        "blue: the value is lower without it, red: higher",
        f"{len(rows):,} of {found.filters:,} filters",
        ("each filter" if all(map(_is_colour, layers)) else "the strongest kernel of each")
        + (f", and its map of {first}" if len(columns) > 2 else ""),
    ]
    return TileSheet(
        tiles=np.stack(tiles)[:, None],
        count=len(tiles),
        title=f"{found.target} without filters of {whole}: {pictures}",
        note="; ".join(note),
        row_labels=tuple(f"{name}  {change:+.3g}" for name, change in zip(names, changes, strict=True)),
        addresses=tuple(row["address"] for row in rows),
        provenance={
            "address": listed([row["address"] for row in rows]),
            "model": listed_models(found.models),
            "target": found.target,
        },
    )


def _is_colour(layer: AblatedLayer) -> bool:
    return sorted(layer.input_channels) == ["B", "G", "R"] and layer.bank.ndim == 4


def _filter(layer: AblatedLayer, number: int, normalizer: Normalizer) -> FloatArray:
    """A filter in colour if it reads red, green and blue, else its strongest kernel in gray."""
    weights = layer.bank[number : number + 1]
    if _is_colour(layer):
        colours = normalizer.normalize(weights[:, [layer.input_channels.index(name) for name in "RGB"]])
        return _enlarged(colours.values[0].transpose(1, 2, 0))
    finite = np.nan_to_num(weights[0].astype(np.float64), posinf=0, neginf=0)
    kernel = int(np.square(finite).reshape(len(finite), -1).sum(axis=1).argmax())
    return _enlarged(as_pictures(normalizer.normalize(weights[:, kernel : kernel + 1]).values[0, 0], 0))


def _map(values: FloatArray) -> FloatArray:
    """A feature map in gray, its smallest value black and its largest white."""
    picture = _shrunk(np.nan_to_num(as_pictures(values, 0).astype(np.float32)))
    low, high = picture.min(), picture.max()
    return _enlarged((picture - low) / (high - low if high > low else 1))


def _shrunk(picture: FloatArray) -> FloatArray:
    """A picture of at most SIDE × SIDE pixels: means of blocks, so that no detail is skipped."""
    for axis, size in enumerate(picture.shape):
        if size > SIDE:
            starts = np.arange(SIDE) * size // SIDE
            counts = np.diff([*starts, size]).reshape(-1, *(1,) * (1 - axis))
            picture = np.add.reduceat(picture, starts, axis=axis) / counts
    return picture


def _bars(changes: Sequence[float]) -> Iterator[FloatArray]:
    """A bar for each change, from a common zero; all are drawn at the same scale."""
    low, high = min(0.0, *changes), max(0.0, *changes)
    scale = (BAR - 1) / (high - low if high > low else 1)
    zero = round(-low * scale)
    for change in changes:
        bar = np.ones((SIDE, BAR, 3), np.float32)
        end = round((change - low) * scale)
        first, last = min(zero, end), max(zero, end)
        bar[SIDE // 4 : -SIDE // 4, first : last + 1] = RISES if change > 0 else FALLS
        bar[:, zero] = AXIS
        yield bar


def _enlarged(picture: FloatArray) -> FloatArray:
    """A picture, shape (height, width[, 3]), centred in a white square; values are enlarged evenly."""
    height, width = picture.shape[:2]
    by = min(SIDE / height, SIDE / width)
    tall, wide = max(round(height * by), 1), max(round(width * by), 1)
    rows, columns = np.arange(tall) * height // tall, np.arange(wide) * width // wide
    drawn = picture[rows[:, None], columns]
    square = np.ones((SIDE, SIDE, 3), np.float32)
    top, left = (SIDE - tall) // 2, (SIDE - wide) // 2
    square[top : top + tall, left : left + wide] = drawn if drawn.ndim == 3 else drawn[..., None]
    return square
