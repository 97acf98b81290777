"""Draws any part of an atlas, one byte per pixel: 0 where there is no kernel, else a shade from 1 to 255.

A weight of zero has shade 128. Weights are scaled per layer, by the largest one or by three times their root
mean square, whichever is smaller; what is beyond has the first or last shade. So a pixel is a number:
``weight = (shade - 128) / 127 * scale``, or where magnitudes are drawn, ``(shade - 1) / 254 * scale``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.web.atlas.shelves import Layout

Shades = NDArray[np.uint8]

MIDDLE, STEPS = 128, 127
"""The shade of zero, and how many there are on each side."""
DEVIATIONS = 3.0

SMALL = 1e-30
"""Scales below are beyond single precision."""

PART = 1 << 20
"""Weights that are read at once."""


def scale_of(weights: NDArray[Any]) -> float:
    """The weight that has the last shade; 1 if all are zero."""
    flat, most, total = weights.reshape(-1), 0.0, 0.0
    for start in range(0, flat.size, PART):
        part = flat[start : start + PART]
        if part.dtype != np.float32:
            part = part.astype(np.float64)
        low, high = float(part.min()), float(part.max())
        if not np.isfinite([low, high]).all():
            part = part[np.isfinite(part)]
            low, high = (float(part.min()), float(part.max())) if part.size else (0.0, 0.0)
        most = max(most, abs(low), abs(high))
        with np.errstate(over="ignore"):
            total += float(np.dot(part, part))
    scale = min(most, DEVIATIONS * (total / flat.size) ** 0.5) if np.isfinite(total) else most
    return scale if scale > 1e-300 else 1.0


def shades_of(weights: NDArray[Any], scale: float, *, magnitudes: bool = False) -> Shades:
    """The shades of weights, or of their magnitudes; of what is no number, none."""
    kind: Any = np.float64 if weights.dtype.itemsize > 4 or scale < SMALL else np.float32
    low, steps, zero = (0, 2 * STEPS, 1) if magnitudes else (-STEPS, STEPS, MIDDLE)
    with np.errstate(over="ignore", invalid="ignore"):
        shades = weights.astype(kind, copy=False) * kind(steps / scale)
        if magnitudes:
            np.abs(shades, out=shades)
        np.rint(shades, out=shades)
        np.clip(shades, low, steps, out=shades)
        shades += zero
        if np.isnan(shades.sum()):
            shades[np.isnan(shades)] = 0
        found: Shades = shades.astype(np.uint8)
        return found


@dataclass(frozen=True)
class Raster:
    """What is drawn, and where.

    Attributes
    ----------
    banks
        The weights of each layer of the layout, O I (D) (H) W, usually mapped from a file.
    scales
        The weight of the last shade, per layer.
    orders
        The filter in each slot of each layer; None if they are in their own order.
    colours
        The shade of each filter of each layer, if all pixels of a filter have the same.
    magnitudes
        Draw weights without their signs.
    """

    layout: Layout
    banks: Sequence[NDArray[Any]]
    scales: Sequence[float]
    orders: Sequence[NDArray[np.int32]] | None = None
    colours: Sequence[Shades] | None = None
    magnitudes: bool = False

    def region(self, x: int, y: int, width: int, height: int) -> Shades:
        """The shades of a part of the picture, which may extend beyond its edges."""
        shades = np.zeros((height, width), np.uint8)
        if y >= self.layout.height or x >= self.layout.width:
            return shades
        for number in self.layout.within(y, y + height):
            left, top, wide, high = self.layout.layers[number].box
            x0, x1 = max(x, left), min(x + width, left + wide)
            y0, y1 = max(y, top), min(y + height, top + high)
            if x0 < x1 and y0 < y1:
                part = shades[y0 - y : y1 - y, x0 - x : x1 - x]
                self._draw(number, np.arange(x0 - left, x1 - left), np.arange(y0 - top, y1 - top), part)
        return shades

    def _draw(self, number: int, x: NDArray[np.int64], y: NDArray[np.int64], part: Shades) -> None:
        """Draw these columns and rows of a layer.

        The place of a weight in its bank is the sum of what its column and what its row contribute.
        """
        layer = self.layout.layers[number]
        shape, block = layer.shape, layer.block
        (width, height), (wide, high) = block.size(shape), shape.cell
        (slot_x, x), (slot_y, y) = np.divmod(x, width), np.divmod(y, height)
        (kernel_x, x), (kernel_y, y) = np.divmod(x, wide), np.divmod(y, high)
        slices, x = np.divmod(x, shape.width + shape.gap)
        columns = np.flatnonzero((x < shape.width) & (kernel_x < block.columns))
        rows = np.flatnonzero((y < shape.height) & (kernel_y < block.rows))
        if not (columns.size and rows.size):
            return
        slot_x, slot_y = slot_x[columns], slot_y[rows] * layer.across
        kernel_x, kernel_y = kernel_x[columns], kernel_y[rows] * block.columns
        x, y = (slices * shape.height * shape.width + x)[columns], (y * shape.width)[rows]

        is_drawn = None
        for in_y, in_x, count in ((slot_y, slot_x, shape.filters), (kernel_y, kernel_x, shape.kernels)):
            if int(in_y.max()) + int(in_x.max()) >= count:
                inside = in_y[:, None] + in_x < count
                is_drawn = inside if is_drawn is None else is_drawn & inside
        x, y = x + kernel_x * shape.values, y + kernel_y * shape.values
        filters: Any = None if self.orders is None and self.colours is None else slot_y[:, None] + slot_x
        if filters is not None and self.orders is not None:
            filters = self.orders[number].take(filters, mode="clip")
        if self.colours is not None:
            values = self.colours[number].take(filters, mode="clip")
        else:
            bank, each = self.banks[number], shape.kernels * shape.values
            kind: Any = np.int32 if bank.size < 2**30 else np.int64
            if filters is None:
                x, y = x + slot_x * each, y + slot_y * each
            places = y.astype(kind)[:, None] + x.astype(kind)
            if filters is not None:
                places += filters.astype(kind) * kind(each)
            weights = bank.take(places, mode="clip")
            values = shades_of(weights, self.scales[number], magnitudes=self.magnitudes)
        if is_drawn is not None:
            values *= is_drawn
        part[np.ix_(rows, columns)] = values
