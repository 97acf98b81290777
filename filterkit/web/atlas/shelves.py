"""Where every kernel is in the atlas of a model: layers on shelves, filters as blocks of their kernels.

A kernel has one pixel per value; slices of 3-D kernels are side by side. A filter is a block of kernels,
about as high as it is wide, and a layer a rectangle of blocks. As the blocks can be folded into any number of
rows, all layers on a shelf are about equally high, and little of the area is empty.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""x, y, width and height in pixels."""

THIN = 64
"""The margin of a block or layer is its shorter side divided by this: a line that costs about 3 % of it."""

MOST_HEIGHTS, MOST_ON_SHELF = 160, 128
"""How many heights of shelves are tried, and the most layers on one."""

ASPECTS = (0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0)
"""Widths that are tried, in sides of a square of the same area."""
BEST_ASPECT = 1.5
SHAPE_COSTS = 0.04
"""How much waste, as a share of the area, a picture half as wide is worth."""

MANY_LAYERS = 600
"""From here on, a single width is tried."""


@dataclass(frozen=True)
class LayerShape:
    """The shape of a bank: `filters` of `kernels` each, of `slices` matrices of `height` × `width`."""

    filters: int
    kernels: int
    slices: int
    height: int
    width: int

    @classmethod
    def of(cls, shape: Sequence[int]) -> LayerShape:
        """The shape of a bank O I (D) (H) W."""
        filters, kernels, *size = shape
        *slices, height, width = (1, 1, *size)
        return cls(filters, kernels, math.prod(slices), height, width)

    @property
    def values(self) -> int:
        """Of one kernel."""
        return self.slices * self.height * self.width

    @property
    def gap(self) -> int:
        """Pixels after each matrix; kernels of a single value need none."""
        return int(self.values > 1)

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of a kernel with its gap."""
        return self.slices * (self.width + self.gap), self.height + self.gap


@dataclass(frozen=True)
class Block:
    """How the kernels of a filter are arranged: in `columns` and `rows`, with a margin after them."""

    columns: int
    rows: int
    margin: int

    @classmethod
    def of(cls, shape: LayerShape) -> Block:
        """About square, and nearly full."""
        width, height = shape.cell
        ideal = math.sqrt(shape.kernels * height / width)
        columns = np.arange(max(1, int(ideal / 2)), min(shape.kernels, math.ceil(2 * ideal)) + 1)
        rows = -(-shape.kernels // columns)
        cost = columns * rows / shape.kernels + np.abs(np.log2(columns / ideal)) / 16
        best = int(np.argmin(cost))
        shorter = min(int(columns[best]) * width, int(rows[best]) * height)
        return cls(int(columns[best]), int(rows[best]), shorter // THIN)

    def size(self, shape: LayerShape) -> tuple[int, int]:
        width, height = shape.cell
        return self.columns * width + self.margin, self.rows * height + self.margin


@dataclass(frozen=True)
class Placed:
    """A layer in the atlas: its upper left corner, and `across` blocks side by side in each row."""

    shape: LayerShape
    block: Block
    x: int
    y: int
    across: int

    @property
    def box(self) -> Box:
        width, height = self.block.size(self.shape)
        return self.x, self.y, self.across * width, -(-self.shape.filters // self.across) * height

    def place(self, slot: int, kernel: int | None = None) -> Box:
        """Where a kernel of the filter in a slot is, without its gap; by default all of the filter's."""
        width, height = self.block.size(self.shape)
        x, y = self.x + slot % self.across * width, self.y + slot // self.across * height
        if kernel is None:
            return x, y, width - self.block.margin, height - self.block.margin
        (wide, high), gap = self.shape.cell, self.shape.gap
        column, row = kernel % self.block.columns, kernel // self.block.columns
        return x + column * wide, y + row * high, wide - gap, high - gap

    def find(self, x: int, y: int) -> tuple[int, int] | None:
        """The slot and the kernel of a pixel of the layer; gaps belong to the kernel before them."""
        width, height = self.block.size(self.shape)
        (column, x), (row, y) = divmod(x - self.x, width), divmod(y - self.y, height)
        (wide, high), slot = self.shape.cell, row * self.across + column
        kernel = y // high * self.block.columns + x // wide
        inside = x < width - self.block.margin and kernel < self.shape.kernels
        return (slot, kernel) if inside and slot < self.shape.filters else None


@dataclass(frozen=True)
class Layout:
    """The layers of a model, in their order, on shelves from top to bottom."""

    layers: tuple[Placed, ...]
    width: int
    height: int
    tops: tuple[int, ...]
    """The first row of each shelf."""
    firsts: tuple[int, ...]
    """Its first layer."""

    def find(self, x: int, y: int) -> tuple[int, int, int] | None:
        """The layer, slot and kernel of a pixel; None where there is none."""
        for number in self.around(y):
            left, top, width, height = self.layers[number].box
            if left <= x < left + width and top <= y < top + height:
                found = self.layers[number].find(x, y)
                return (number, *found) if found else None
        return None

    def around(self, y: int) -> range:
        """The layers on the shelf of a row of pixels."""
        shelf = bisect_right(self.tops, y) - 1
        ends = (*self.firsts[1:], len(self.layers))
        return range(self.firsts[shelf], ends[shelf]) if 0 <= y < self.height else range(0)

    def within(self, y0: int, y1: int) -> range:
        """The layers on the shelves of these rows."""
        return range(self.around(y0).start, self.around(min(y1, self.height) - 1).stop)


@dataclass(frozen=True)
class _Foldings:
    """The sizes that a layer can have, from the widest to the highest, with the blocks across in each."""

    shape: LayerShape
    block: Block
    across: NDArray[np.int64]
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]

    @classmethod
    def of(cls, shape: LayerShape) -> _Foldings:
        block, filters = Block.of(shape), shape.filters
        root = math.isqrt(filters)
        rows = np.unique(np.concatenate([np.arange(1, root + 1), filters // np.arange(1, root + 1)]))
        across = -(-filters // rows)
        width, height = block.size(shape)
        widths, heights = across * width, -(-filters // across) * height
        spaces = np.minimum(widths, heights) // THIN  # between layers
        return cls(shape, block, across, widths + spaces, heights + spaces)

    def within(self, height: int) -> int:
        """The narrowest folding of at most this height."""
        return int(np.searchsorted(self.heights, height, "right")) - 1


@lru_cache(maxsize=16)
def arrange(shapes: tuple[LayerShape, ...]) -> Layout:
    """The layout of layers of these shapes."""
    foldings = [_Foldings.of(shape) for shape in shapes]
    area = sum(int((each.widths * each.heights).min()) for each in foldings)
    narrowest = max(int(each.widths.min()) for each in foldings)
    aspects = ASPECTS if len(shapes) < MANY_LAYERS else (1.2,)
    widths = sorted({max(narrowest, math.ceil(math.sqrt(area) * aspect)) for aspect in aspects})
    return min((_arranged(foldings, width) for width in widths), key=_cost)


def _cost(layout: Layout) -> float:
    """How many pixels it takes, increased by up to some percent for a shape that fits no screen."""
    shape = abs(math.log2(layout.width / layout.height / BEST_ASPECT))
    return layout.width * layout.height * (1 + SHAPE_COSTS * shape)


def _arranged(foldings: Sequence[_Foldings], width: int) -> Layout:
    """Layers on shelves of this width at most, of the smallest total height."""
    heights = np.unique(np.concatenate([each.heights for each in foldings]))
    if len(heights) > MOST_HEIGHTS:
        heights = heights[np.linspace(0, len(heights) - 1, MOST_HEIGHTS).astype(int)]
    wide = [_narrowest(each, heights) for each in foldings]
    before = np.concatenate([[np.zeros(len(heights))], np.cumsum(wide, axis=0)])
    count = len(foldings)
    total, begin = np.zeros(count + 1), np.zeros(count + 1, int)
    for end in range(1, count + 1):
        first = max(0, end - MOST_ON_SHELF)
        fits = before[end] - before[first:end] <= width
        high = np.where(fits.any(axis=1), heights[fits.argmax(axis=1)], np.inf)
        sums = total[first:end] + high
        best = int(np.argmin(sums))
        total[end], begin[end] = sums[best], first + best
    shelves: list[tuple[int, int]] = []
    end = count
    while end:
        shelves.insert(0, (int(begin[end]), end))
        end = int(begin[end])
    placed: list[Placed] = []
    tops, y, right = [], 0, 0
    for first, last in shelves:
        fits = before[last] - before[first] <= width
        height, x, lowest = int(heights[fits.argmax()]), 0, 0
        for each in foldings[first:last]:
            chosen = each.within(height)
            placed.append(Placed(each.shape, each.block, x, y, int(each.across[chosen])))
            x, lowest = x + int(each.widths[chosen]), max(lowest, int(each.heights[chosen]))
        tops.append(y)
        y, right = y + lowest, max(right, x)
    return Layout(tuple(placed), right, y, tuple(tops), tuple(first for first, _ in shelves))


def _narrowest(folding: _Foldings, heights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Its smallest width at each height; infinite where it does not fit."""
    chosen = np.searchsorted(folding.heights, heights, "right") - 1
    return np.where(chosen < 0, 1e15, folding.widths[np.maximum(chosen, 0)])
