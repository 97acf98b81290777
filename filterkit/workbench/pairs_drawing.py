"""Filters that differ most, as a sheet: pairs side by side."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError
from filterkit.records import TileSheet

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray
    from filterkit.workbench.differences import Differences, LayerPair

MOST = 24
"""Pairs on one sheet."""

PER_ROW = 3
"""Pairs side by side."""


@dataclass(frozen=True, slots=True, order=True)
class FilterPair:
    """A filter of a pair of layers, and how like its partner it is; the least alike come first."""

    cosine: float
    place: int
    number: int


def pairs_sheet(differences: Differences, normalizer: Normalizer) -> TileSheet:
    """The least alike pairs of filters, worst first: one of every layer, or the worst of all, by the level.

    Both filters of a pair are brought to the length 1, and the kernel is drawn that differs most then, in
    both on one scale. Kernels smaller than others have zeros around them.

    Raises
    ------
    UsageError
        No pair of filters is finite.
    """
    ranked = list(_ranked(differences))
    if not ranked:
        raise UsageError("there is nothing to draw: no pair of filters is finite")
    tiles: list[FloatArray] = []
    labels: list[str] = []
    for worst in heapq.nsmallest(MOST, ranked):
        pair = differences.pairs[worst.place]
        kernel, *sides = _worst_kernel(pair, worst.number)
        tiles += sides
        labels += _labels(pair, worst, kernel)
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    framed = np.stack([_framed(tile, height, width) for tile in tiles])
    normalized = normalizer.normalize(framed.reshape(-1, 2, height, width))
    columns = min(2 * PER_ROW, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    places = np.zeros((rows * columns, height, width), normalized.values.dtype)
    places[: len(tiles)] = normalized.values.reshape(-1, height, width)
    plural = "s" * (len(ranked) != 1)
    what = (
        f"layer{plural}, of each the least alike filters" if differences.level == "layer" else f"pair{plural}"
    )
    return TileSheet(
        tiles=places.reshape(rows, columns, height, width),
        count=len(tiles),
        title=f"{_model(differences, 'a')} and {_model(differences, 'b')}, least alike first",
        note=f"{len(tiles) // 2:,} of {len(ranked):,} {what}, and the kernel that differs most once both "
        "have the same length",
        tile_labels=tuple(labels),
        vmin=normalized.vmin,
        vmax=normalized.vmax,
        centre=normalized.centre,
    )


def _ranked(differences: Differences) -> Iterator[FilterPair]:
    for place, pair in enumerate(differences.pairs):
        if pair.difference is None or not pair.difference.finite.any():
            continue
        cosines = pair.difference.cosine
        if differences.level == "layer":
            number = int(np.nanargmin(cosines))
            yield FilterPair(float(cosines[number]), place, number)
        else:
            for number in np.flatnonzero(pair.difference.finite).tolist():
                yield FilterPair(float(cosines[number]), place, number)


def _worst_kernel(pair: LayerPair, number: int) -> tuple[int, FloatArray, FloatArray]:
    """The number of the kernel, and that kernel in both filters, as pictures."""
    assert pair.weights_a is not None and pair.weights_b is not None
    a, b = _unit(pair.weights_a[number]), _unit(pair.weights_b[pair.partner(number)])
    if pair.assignment is not None:
        b = b[pair.assignment.channels]
    apart = (b - a).reshape(len(a), -1)
    kernel = int(np.square(apart).sum(axis=1).argmax())
    return kernel, _picture(a[kernel]), _picture(b[kernel])


def _unit(values: FloatArray) -> FloatArray:
    wide = values.astype(np.float64)
    length = np.linalg.norm(wide)
    unit: FloatArray = wide / length if length else wide
    return unit


def _picture(kernel: FloatArray) -> FloatArray:
    """Shape (height, width), float32: 1-D one pixel high, 3-D with its slices side by side."""
    flat = kernel.reshape(-1, *kernel.shape[-2:]) if kernel.ndim > 1 else kernel[None, None]
    picture: FloatArray = np.concatenate(list(flat), axis=1).astype(np.float32)
    return picture


def _framed(picture: FloatArray, height: int, width: int) -> FloatArray:
    """The picture in the middle of a larger one of zeros."""
    down, across = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((down // 2, down - down // 2), (across // 2, across - across // 2)))


def _labels(pair: LayerPair, worst: FilterPair, kernel: int) -> tuple[str, str]:
    """The address without the model for the left tile; cosine for the right one, and address if another."""
    assert pair.a is not None and pair.b is not None
    channel = kernel if pair.assignment is None else int(pair.assignment.channels[kernel])
    left = f"{pair.a.layer['name']}/{worst.number}/{kernel}"
    right = f"{pair.b.layer['name']}/{pair.partner(worst.number)}/{channel}"
    cosine = f"cosine {worst.cosine:.4f}" if left == right else f"{right}  {worst.cosine:.2f}"
    return left, cosine


def _model(differences: Differences, side: str) -> str:
    matches = (getattr(pair, side) for pair in differences.pairs)
    return str(next(match.model["name"] for match in matches if match is not None))
