"""The size of tiles on a terminal, and the number that fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, TileSheet

LARGEST_TILE, SMALLEST_TILE = 24, 12
"""Tiles are enlarged or shrunk to sides in this range of pixels; they are shrunk further only if not even one
would fit."""

FINEST = 4096
"""Maximum number of values per side; larger tiles are subsampled, as a pixel covers several values anyway."""

SCREEN = 40
"""Tiles are as large as possible with all of them within this many lines."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The drawn part of a sheet: `rows` × `columns` tiles, `count` in all, of `height` × `width` pixels."""

    rows: int
    columns: int
    count: int
    height: int
    width: int
    lines_per_row: int


def fit(sheet: TileSheet, *, across: int, lines: int, pixels_per_line: int) -> Fit:
    """Find the largest tile size with which all of `sheet` fits, or else how many tiles fit.

    A table keeps its rows and columns; tiles with individual labels are wrapped.

    Parameters
    ----------
    across
        Pixels that fit side by side.
    lines
        Lines for all tiles.
    pixels_per_line
        Pixels per line, one above the other.
    """
    flows = bool(sheet.tile_labels)
    for height, width in _sizes(sheet.tile_shape, most=min(across, lines * pixels_per_line - 1)):
        columns = max(min(sheet.columns, (across + 1) // (width + 1)), 1)
        rows = math.ceil(sheet.count / columns) if flows else sheet.rows
        lines_per_row = math.ceil((height + 1) / pixels_per_line)
        if (flows or columns == sheet.columns) and rows * lines_per_row <= min(lines, SCREEN):
            break
    rows = min(rows, max(lines // lines_per_row, 1))
    return Fit(rows, columns, min(rows * columns, sheet.count), height, width, lines_per_row)


def resized(sheet: TileSheet, drawn: Fit) -> FloatArray:
    """The tiles of `sheet` that are drawn, shape (rows, columns, height, width) or (…, 3).

    Each value becomes a block of pixels, or each pixel the mean of the values that it covers.
    """
    tiles = sheet.tiles
    if sheet.tile_labels:
        places = drawn.rows * drawn.columns
        flat = tiles.reshape(-1, *tiles.shape[2:])
        tiles = np.zeros((places, *flat.shape[1:]), dtype=flat.dtype)
        tiles[: drawn.count] = flat[: drawn.count]
        tiles = tiles.reshape(drawn.rows, drawn.columns, *flat.shape[1:])
    height, width = sheet.tile_shape
    tiles = tiles[: drawn.rows, : drawn.columns, :: -(-height // FINEST), :: -(-width // FINEST)]
    height, width = tiles.shape[2:4]
    down, across = _shares(height, drawn.height), _shares(width, drawn.width)
    if not sheet.is_colour:
        return np.asarray(down @ tiles @ across.T)
    return np.moveaxis(down @ np.moveaxis(tiles, -1, 2) @ across.T, 2, -1)


def _sizes(shape: tuple[int, int], *, most: int) -> Iterator[tuple[int, int]]:
    """Heights and widths to try, from large to small; the last fits into `most` pixels."""
    side = max(shape)
    for factor in range(min(LARGEST_TILE, most) // side, 0, -1):
        yield shape[0] * factor, shape[1] * factor
    for smaller in range(min(side - 1, most), min(SMALLEST_TILE, side, most) - 1, -1):
        yield max(round(shape[0] * smaller / side), 1), max(round(shape[1] * smaller / side), 1)


def _shares(values: int, pixels: int) -> NDArray[Any]:
    """The share of each pixel covered by each value of a row, shape (pixels, values); rows sum to 1."""
    edges = np.linspace(0, values, pixels + 1, dtype=np.float32)[:, None]
    first = np.arange(values, dtype=np.float32)
    covered = np.minimum(edges[1:], first + 1) - np.maximum(edges[:-1], first)
    covered = np.clip(covered, 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True))
