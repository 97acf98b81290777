"""Paint all tiles into one array of pixels, with colormaps, and without a loop over tiles."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError, closest
from filterkit.renderers.figures import matplotlib

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, TileSheet

MAX_PIXELS = 2**29
"""Maximum number of pixels: half a gigabyte in gray, one and a half in colour."""


def canvas_shape(sheet: TileSheet, scale: tuple[int, int], gap: tuple[int, int]) -> tuple[int, int]:
    """Height and width in pixels, with `scale` pixels per value and `gap` pixels around every tile.

    Raises
    ------
    UsageError
        If the canvas exceeds `MAX_PIXELS`.
    """
    (height, width), (down, across) = sheet.tile_shape, scale
    shape = (
        sheet.rows * (height * down + gap[0]) + gap[0],
        column_start(sheet, sheet.columns, width * across, gap[1]) + gap[1],
    )
    if shape[0] * shape[1] > MAX_PIXELS:
        raise UsageError(
            f"a picture of {shape[1]:,} × {shape[0]:,} pixels is too large",
            hint="choose fewer filters or kernels, or a smaller scale",
        )
    return shape


GROUP_GAP = 3
"""The gap after a group of tiles is wider by this many gaps."""


def column_start(sheet: TileSheet, column: int, width: int, gap: int) -> int:
    """Where a column of tiles of this width begins, in pixels from the start of the first one."""
    groups = sum(first <= column for first in _group_starts(sheet))
    return column * (width + gap) + groups * GROUP_GAP * gap


def _group_starts(sheet: TileSheet) -> range:
    """The first column of each group but the first."""
    return range(sheet.group, sheet.columns, sheet.group) if sheet.group > 1 else range(0)


def paint(
    sheet: TileSheet,
    *,
    scale: tuple[int, int],
    gap: tuple[int, int],
    colormap: str,
    background: tuple[int, int, int],
    frame: int | None = None,
) -> NDArray[np.uint8]:
    """Draw all tiles of a sheet into one array.

    Parameters
    ----------
    scale
        Pixels per value, down and across.
    gap
        Pixels of background between and around tiles, down and across.
    colormap
        Any name that `colour_table` accepts; ignored for colour tiles.
    background
        Red, green and blue, 0 to 255.
    frame
        Gray level of a one-pixel line around every tile, within the gap; None for no line.

    Returns
    -------
    array
        Shape (height, width) if everything is gray, else (height, width, 3).
    """
    shape = canvas_shape(sheet, scale, gap)
    groups = _group_starts(sheet)
    shape = (shape[0], shape[1] - len(groups) * GROUP_GAP * gap[1])  # wider gaps are inserted at the end
    pixels = to_bytes(sheet.tiles)
    fill = np.array(background, dtype=np.uint8)
    if sheet.is_colour or colormap != GRAY or len(set(background)) > 1:
        pixels = pixels if sheet.is_colour else colour_table(colormap)[pixels]
    else:
        fill = fill[0]
    pixels = pixels.repeat(scale[0], axis=2).repeat(scale[1], axis=3)
    rows, columns, height, width = pixels.shape[:4]
    canvas = np.empty((*shape, *fill.shape), dtype=np.uint8)
    canvas[:] = fill
    edge = 0 if frame is None else 1
    down, across = height + gap[0], width + gap[1]
    cells = canvas[gap[0] - edge :, gap[1] - edge :][: rows * down, : columns * across]
    # Splitting an axis never copies: this is still a view of the canvas.
    cells = cells.reshape(rows, down, columns, across, *fill.shape)
    if frame is not None:
        cells[:, : height + 2, :, : width + 2] = frame
    cells[:, edge : edge + height, :, edge : edge + width] = pixels.swapaxes(1, 2)
    last_row, filled = divmod(sheet.count, columns)
    if last_row < rows:
        cells[last_row, :, filled:] = fill
        cells[last_row + 1 :] = fill
    if groups and gap[1]:
        starts = np.repeat([column * across + gap[1] // 2 for column in groups], GROUP_GAP * gap[1])
        canvas = np.insert(canvas, starts, fill, axis=1)
    return canvas


def to_bytes(values: FloatArray) -> NDArray[np.uint8]:
    """Map [0, 1] to the nearest of 0..255."""
    scaled = values * np.float32(255)
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


GRAY = "gray"
"""The colormap that does not need matplotlib: black is 0, white is 1."""


DIVERGING = frozenset(
    (
        *("piyg", "prgn", "brbg", "puor", "rdgy", "rdbu", "rdylbu", "rdylgn", "spectral", "coolwarm", "bwr"),
        *("seismic", "berlin", "managua", "vanimo"),  # all of matplotlib; then seaborn's and cmocean's
        *("vlag", "icefire", "balance", "delta", "curl", "diff", "tarn"),
    )
)


def is_diverging(colormap: str) -> bool:
    """Whether a colormap has a neutral middle between two colours, such as ``RdBu_r``: the middle is zero."""
    return colormap.lower().removesuffix("_r").removeprefix("cmo.") in DIVERGING


def colormap_for(sheet: TileSheet, colormap: str) -> str:
    """The colormap of a renderer, or that of the sheet if the renderer has the default."""
    return sheet.colormap if colormap == GRAY else colormap


OWN_ENDS = "−max", "max"


def scale_ends(sheet: TileSheet, colormap: str) -> tuple[str, str] | None:
    """What the ends of a colour bar that applies to all tiles say, or None if there can be none.

    With a diverging colormap, tiles with scales of their own but a common zero have one, too.
    """
    if sheet.is_colour:
        return None
    if sheet.vmin is not None and sheet.vmax is not None:
        ends = (f"{end:.3g}".replace("-", "−") for end in (sheet.vmin, sheet.vmax))
        return (next(ends), next(ends)) if sheet.vmin < sheet.vmax else None
    return OWN_ENDS if sheet.centre == 0.5 and is_diverging(colormap) else None


def caption_of_scale(sheet: TileSheet, ends: tuple[str, str] | None, colormap: str) -> str:
    """The note of a sheet, with a remark about a colour bar with these ends, or a misleading colormap."""
    remark = "max in the colour bar differs between tiles" if ends == OWN_ENDS else ""
    if not sheet.is_colour and sheet.centre != 0.5 and is_diverging(colormap):
        remark = "the middle of the colormap is not zero"
    return "; ".join(filter(None, (sheet.note, remark)))


@lru_cache(maxsize=16)
def colour_table(name: str) -> NDArray[np.uint8]:
    """256 colours from 0 to 1, shape (256, 3), for any colormap of matplotlib.

    Raises
    ------
    UsageError
        If there is no such colormap.
    """
    if name == GRAY:
        table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    else:
        colormaps = matplotlib().colormaps
        if name not in colormaps:
            raise UsageError(f"unknown colormap '{name}'", hint=closest(name, colormaps))
        table = colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3]
    table.flags.writeable = False
    return table
