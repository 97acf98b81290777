"""Arrange the filters of a layer as a sheet of tiles, for any renderer, and the geometry of tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from filterkit.errors import UsageError, closest
from filterkit.records import Normalized, TileSheet

if TYPE_CHECKING:
    from filterkit.records import FloatArray

LayerChannels = Literal["separate", "rgb", "first"]
"""How a filter's kernels are drawn: one tile each, as one colour picture, or only the first of them."""

DrawnChannels = Literal[LayerChannels, "strongest"]
"""The same, or only the kernel of largest norm, which differs between filters."""

Channels = Literal[DrawnChannels, "factors"]
"""The same, or one colour picture of three groups of kernels (see `filterkit.sheets.factors`)."""

MOST_ADDRESSED = 2**20
"""Sheets with more tiles have no addresses: they are of no use there, and each takes 100 bytes."""


def bank_sheet(
    normalized: Normalized,
    *,
    filters: Sequence[int],
    kernels: Sequence[int],
    channel_names: Sequence[str] = (),
    filter_labels: Sequence[str] = (),
    channels: LayerChannels = "separate",
    title: str = "",
    note: str | None = None,
    values: FloatArray | None = None,
    address: str = "",
    group: int = 1,
) -> TileSheet:
    """Arrange the filters of a layer: one row per filter, one column per kernel.

    With a single filter, or a single kernel per filter, the tiles are arranged near-square instead and have
    labels of their own. A 1-D kernel is one pixel high; a 3-D kernel shows its slices side by side.

    Parameters
    ----------
    normalized
        Values to draw, shape (filters, kernels, *kernel_shape), normalized with the whole layer.
    filters, kernels
        Their numbers within the layer, for the labels.
    channel_names
        Name of every input channel, indexed by kernel number; empty if unknown. Only for layers with one
        group, where kernels correspond to input channels.
    filter_labels
        Label of every filter of the layer, indexed by filter number; empty if they have only numbers.
    channels
        ``separate`` draws every kernel, ``rgb`` one colour picture per filter, ``first`` only the first
        given kernel of each filter.
    title, note
        Text above and below the tiles; the note defaults to the normalizer's summary.
    values
        The values before normalization, of the same shape, to be stored in the sheet.
    address
        Address of the layer, to store the address of every tile in the sheet, for up to `MOST_ADDRESSED`
        tiles.
    group
        Number of consecutive filters that stay in one row of a near-square arrangement.

    Raises
    ------
    UsageError
        Nothing is selected, or ``rgb`` is requested for a layer whose kernels are not red, green and blue.
    """
    rows, columns = _labels(filter_labels, filters), _labels(channel_names, kernels)
    note = normalized.summary if note is None else note
    if not normalized.values.size:
        raise UsageError("nothing to draw", hint="select at least one filter and one kernel")
    planes = [as_pictures(each, 2) for each in (normalized.values, values) if each is not None]
    if channels == "rgb":
        order = _rgb_order(columns)
        planes = [near_square(plane[:, order].transpose(0, 2, 3, 1), group) for plane in planes]
        addresses = tuple(f"{address}/{number}" for number in filters if address)
        made = _sheet(planes, len(rows), normalized, title, note, addresses, tile_labels=rows)
        return replace(made, group=group)
    if channels == "first" and len(columns) > 1:
        name = columns[0] if channel_names else f"kernel {columns[0]}"
        planes, columns, kernels = [plane[:, :1] for plane in planes], columns[:1], kernels[:1]
        note = f"{note}; {name} only".removeprefix("; ")
    count = len(rows) * len(columns)
    address = address if count <= MOST_ADDRESSED else ""
    addresses = tuple(f"{address}/{number}/{kernel}" for number in filters for kernel in kernels if address)
    if 1 in (len(rows), len(columns)):
        labels = rows if len(columns) == 1 else columns
        planes = [near_square(plane.reshape(count, *plane.shape[2:]), group) for plane in planes]
        made = _sheet(planes, count, normalized, title, note, addresses, tile_labels=labels)
        return replace(made, group=group)
    sheet = _sheet(planes, count, normalized, title, note, addresses, row_labels=rows, column_labels=columns)
    return replace(sheet, provenance={"order": "one row per filter, one column per kernel"})


def check_channels(channels: str) -> None:
    """Raise UsageError unless `channels` is one of `Channels`."""
    if channels not in get_args(Channels):
        raise UsageError(f"channels cannot be '{channels}'", hint=closest(channels, get_args(Channels)))


def with_channel(label: str, names: Sequence[str], kernel: int) -> str:
    """The label of a single kernel with the name of its input channel, if the layer reads a picture."""
    return f"{label} {names[kernel]}" if kernel < len(names) else label


def _labels(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[number] if number < len(names) else str(number) for number in numbers)


def _rgb_order(names: tuple[str, ...]) -> list[int]:
    """Indices of red, green and blue among the kernels."""
    if sorted(names) != ["B", "G", "R"]:
        have = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        raise UsageError(
            f"channels=rgb needs the input channels R, G and B, but these are {have}",
            hint="use channels=separate or channels=first",
        )
    return [names.index(name) for name in "RGB"]


def _sheet(
    planes: Sequence[FloatArray],
    count: int,
    normalized: Normalized,
    title: str,
    note: str,
    addresses: tuple[str, ...],
    *,
    row_labels: tuple[str, ...] = (),
    column_labels: tuple[str, ...] = (),
    tile_labels: tuple[str, ...] = (),
) -> TileSheet:
    """The sheet of `planes`: the tiles, followed by their values if known."""
    return TileSheet(
        tiles=planes[0],
        count=count,
        title=title,
        note=note,
        row_labels=row_labels,
        column_labels=column_labels,
        tile_labels=tile_labels,
        vmin=normalized.vmin,
        vmax=normalized.vmax,
        centre=normalized.centre,
        values=planes[1] if len(planes) > 1 else None,
        addresses=addresses,
    )


def combined(each: Sequence[Normalized], values: FloatArray) -> Normalized:
    """`values` of layers normalized separately: without a common scale, but perhaps with a common zero."""
    first, *others = each
    if not others:
        return replace(first, values=values)
    centre = first.centre if all(other.centre == first.centre for other in others) else None
    return Normalized(values, None, None, centre, sum(one.non_finite for one in each), first.summary)


WIDEST = 3.0
"""A full rectangle of tiles up to this many times wider than high (or higher than wide) is preferred to a
squarer arrangement with empty places."""


def as_pictures(kernels: FloatArray, axes: int) -> FloatArray:
    """Kernels of any rank as pictures: 1-D kernels one pixel high, 3-D kernels with slices side by side.

    Parameters
    ----------
    kernels
        Shape (..., *kernel_shape).
    axes
        Number of leading axes before those of the kernel.

    Returns
    -------
    ndarray
        Shape (..., height, width).
    """
    import numpy as np

    before, (*slices, height, width) = kernels.shape[:axes], (1, 1, *kernels.shape[axes:])
    depth = math.prod(slices)
    stacked = kernels.reshape(*before, depth, height, width)
    return np.moveaxis(stacked, -3, -2).reshape(*before, height, depth * width)


def arrange(count: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns for `count` tiles of `height` × `width` pixels, nearly square.

    A rectangle without empty places is preferred if its sides differ by a factor of at most `WIDEST`; of two
    equally good arrangements, the wider one.
    """

    def stretch(columns: int) -> float:
        """Deviation from a square in either direction, with one pixel between tiles."""
        return abs(math.log(columns * (width + 1) / (math.ceil(count / columns) * (height + 1))))

    divisors = [n for n in range(1, count + 1) if count % n == 0 and stretch(n) <= math.log(WIDEST) + 1e-9]
    columns = min(divisors or range(1, count + 1), key=lambda n: (round(stretch(n), 9), -n))
    return math.ceil(count / columns), columns


def near_square(tiles: FloatArray, group: int = 1) -> FloatArray:
    """Tiles, shape (count, height, width, ...), in rows and columns as given by `arrange`; see `in_rows`.

    Rows do not break groups of that many tiles.
    """
    count, height, width = tiles.shape[:3]
    return in_rows(tiles, group * arrange(math.ceil(count / group), height, group * width)[1])


def in_rows(tiles: FloatArray, columns: int) -> FloatArray:
    """Tiles, shape (count, ...), in rows: (rows, columns, ...); places after the last tile are zeros."""
    import numpy as np

    rows = math.ceil(len(tiles) / columns)
    places = np.zeros((rows * columns, *tiles.shape[1:]), tiles.dtype)
    places[: len(tiles)] = tiles
    return places.reshape(rows, columns, *tiles.shape[1:])
