"""Attributions of exemplars: cut out like their crops, and drawn beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from filterkit.records import TileSheet
from filterkit.sheets.attributions import clipped, coloured
from filterkit.sheets.exemplars import AROUND, MISSING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray

LONGEST = 96
"""Limit on the sides of an attribution in pixels, as those of all exemplars are in memory."""

Key = tuple[str, int]
"""The address of a filter, and a rank."""


def in_box(total: FloatArray, box: Sequence[int], own: tuple[int, int]) -> FloatArray:
    """The part of an attribution, shape (H, W), in a box of the picture's own pixels.

    Parameters
    ----------
    box
        Top, left, bottom and right, the last two exclusive.
    own
        Height and width of the picture; the attribution may have another size.

    Returns
    -------
    ndarray
        One value per pixel of the box; if it has more than `LONGEST` on a side, it is reduced to that.
    """
    from PIL import Image

    top, left = (min(first, size - 1) for first, size in zip(box[:2], own, strict=True))
    bottom, right = (
        min(max(end, first + 1), size) for first, end, size in zip((top, left), box[2:], own, strict=True)
    )
    shape = _fitting((bottom - top, right - left), LONGEST, enlarge=False)
    down, across = (have / size for have, size in zip(total.shape, own, strict=True))
    first, end = (top * down, left * across), (bottom * down, right * across)
    if shape[0] >= end[0] - first[0] and shape[1] >= end[1] - first[1]:
        rows, columns = (
            ((np.arange(count) + 0.5) / count * (last - start) + start).astype(int)
            for count, start, last in zip(shape, first, end, strict=True)
        )
        return total[np.ix_(rows, columns)]
    image = Image.fromarray(np.ascontiguousarray(total, np.float32))
    right, bottom = min(end[1], total.shape[1]), min(end[0], total.shape[0])
    reduced = image.resize(shape[::-1], Image.Resampling.BOX, box=(*first[::-1], right, bottom))
    return np.array(reduced)


def with_attributions(
    sheet: TileSheet,
    maps: Mapping[Key, FloatArray],
    method: str,
    normalizer: Normalizer,
    colours: NDArray[np.uint8],
    *,
    is_signed: bool,
    captions: Sequence[str] = (),
) -> TileSheet:
    """A sheet of exemplars with the attribution of each on its right, in one scale per filter.

    Parameters
    ----------
    sheet
        One row per filter, one column per rank.
    maps
        What `in_box` returned; may lack some.
    colours
        The colormap, shape (256, 3).
    """
    rows, columns, side = sheet.tiles.shape[:3]
    tiles = np.full((rows, columns, side, side, 3), AROUND, np.float32)
    labels = []
    for row in range(rows):
        addresses = sheet.addresses[row * columns : (row + 1) * columns]
        framed = np.full((columns, side, side), np.nan, np.float32)
        for column, address in enumerate(addresses):
            found = maps.get((address, column + 1))
            if found is None:
                tiles[row, column] = MISSING
            else:
                _frame(found, framed[column])
        known = np.isfinite(framed)
        total = clipped(np.where(known, framed, np.float32(0)))
        colour, _, normalized = coloured(total.reshape(-1, side), normalizer, colours, is_signed=is_signed)
        tiles[row][known] = colour.reshape(columns, side, side, 3)[known]
        scale = "" if normalized.vmax is None else f"{'±' if is_signed else '0 to '}{normalized.vmax:.4g}"
        labels += [scale, *[""] * (columns - 1)]
    both = np.stack([sheet.tiles, tiles], axis=2).reshape(rows, 2 * columns, *sheet.tiles.shape[2:])
    beside = f"beside each, its attribution ({method}) in one colour scale per filter"
    return replace(
        sheet,
        tiles=both,
        count=2 * sheet.count,
        note="; ".join([sheet.note, beside, *captions]),
        tile_labels=tuple(label for pair in zip(sheet.tile_labels, labels, strict=True) for label in pair),
        addresses=tuple(address for address in sheet.addresses for _ in range(2)),
        provenance={**sheet.provenance, "attribution": method},
        group=2,
    )


def _frame(values: FloatArray, tile: FloatArray) -> None:
    """Draw values into the middle of a square tile, as large as they fit."""
    from PIL import Image

    side = len(tile)
    height, width = _fitting(values.shape, side, enlarge=True)
    how = Image.Resampling.NEAREST if max(values.shape) <= side else Image.Resampling.BILINEAR
    down, across = (side - height) // 2, (side - width) // 2
    resized = Image.fromarray(values).resize((width, height), how)
    tile[down : down + height, across : across + width] = np.asarray(resized)


def _fitting(shape: Sequence[int], side: int, *, enlarge: bool) -> tuple[int, int]:
    """The size of a picture of some shape whose longer side is `side`, or less without `enlarge`."""
    scale = side / max(shape) if enlarge else min(side / max(shape), 1)
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)
