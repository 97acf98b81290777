"""Arrange an attribution as a sheet: the picture, the attribution beside it, and both in one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from filterkit.records import TileSheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, Normalized
    from filterkit.results.attribute import Attributions

ENLARGED = 0.25
"""Share of the picture below which the receptive field is drawn a second time, enlarged."""

MARGIN = 0.5
"""What is drawn around an enlarged receptive field, as a share of its size."""

SHOWN = 0.99
"""Share of the pixels with an attribution whose values differ in colour; the largest ones look the same."""

LUMA = (0.299, 0.587, 0.114)

MARK = (1.0, 0.85, 0.0)
"""Colour of the line around the receptive field."""


def attributions_to_sheet(
    result: Attributions, normalizer: Normalizer, colours: NDArray[np.uint8]
) -> TileSheet:
    """A row of tiles, and a second one if the receptive field is small.

    Parameters
    ----------
    normalizer
        Applied to the sum over channels.
    colours
        The colormap, shape (256, 3).
    """
    total = clipped(result.total)
    colour, opacity, normalized = coloured(total, normalizer, colours, is_signed=result.is_signed)
    gray = np.repeat(result.picture @ np.array(LUMA, np.float32)[:, None], 3, axis=2)
    opacity = np.sqrt(opacity)[..., None]  # weak values stay visible
    planes = [result.picture, colour, 0.7 * gray * (1 - opacity) + colour * opacity]
    labels = ["picture", result.method, "overlay"]
    height, width = total.shape
    rows = [[_marked(plane, result.box) for plane in planes]]
    box = result.box
    if box is not None and (box[2] - box[0]) * (box[3] - box[1]) < ENLARGED * total.size:
        ys, xs = _around(box, height, width)
        rows.append([_marked(plane, box)[np.ix_(ys, xs)] for plane in planes])
        labels += ["receptive field", "", ""]
    low = f"{normalized.vmin:.3g}" if result.is_signed and normalized.vmin is not None else "0"
    scale = [] if normalized.vmax is None else [f"colours {low} to {normalized.vmax:.3g}"]
    return TileSheet(
        tiles=np.asarray(rows, np.float32),
        count=3 * len(rows),
        title=f"{result.target}: {result.image_name}, {result.method}",
        note="; ".join([*result.captions, *scale]),
        tile_labels=tuple(labels),
    )


def coloured(
    total: FloatArray, normalizer: Normalizer, colours: NDArray[np.uint8], *, is_signed: bool
) -> tuple[FloatArray, FloatArray, Normalized]:
    """The colours of an attribution, shape (H, W, 3), and how far values are from zero, between 0 and 1."""
    normalized = normalizer.normalize(total[None, None])
    strength, zero = normalized.values[0, 0], normalized.centre or 0.0
    if not is_signed and zero < 1:  # all of the colours for the upper half
        strength, zero = np.clip((strength - zero) / (1 - zero), 0, 1), 0.0
    colour = colours[np.rint(strength * 255).astype(int)].astype(np.float32) / 255
    return colour, np.abs(strength - zero) / max(zero, 1 - zero), normalized


def clipped(total: FloatArray) -> FloatArray:
    """The attribution without outliers, beside which no other pixel would be visible."""
    strong = np.abs(total[total != 0])
    limit = np.quantile(strong, SHOWN) if strong.size else 0
    return np.clip(total, -limit, limit)


def _marked(plane: FloatArray, box: tuple[int, int, int, int] | None) -> FloatArray:
    """The plane with a line around a box, outside of it where there is room."""
    if box is None:
        return plane
    marked = plane.copy()
    top, left = max(box[0] - 1, 0), max(box[1] - 1, 0)
    bottom, right = min(box[2], plane.shape[0] - 1), min(box[3], plane.shape[1] - 1)
    marked[[top, bottom], left : right + 1] = MARK
    marked[top : bottom + 1, [left, right]] = MARK
    return marked


def _around(
    box: tuple[int, int, int, int], height: int, width: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a part around a box, of the picture's proportions and repeated to its size."""
    wide = max((box[2] - box[0]) / height, (box[3] - box[1]) / width) * (1 + MARGIN)
    places = []
    for first, end, size in ((box[0], box[2], height), (box[1], box[3], width)):
        part = min(max(math.ceil(wide * size), 3), size)
        start = min(max((first + end - part) // 2, 0), size - part)
        places.append(start + np.arange(size) * part // size)
    return places[0], places[1]
