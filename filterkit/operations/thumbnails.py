"""Draw small pictures of addresses, to be displayed beside them in a table."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, UsageError
from filterkit.session import sliced

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.records import FloatArray
    from filterkit.session import Session

MOST_FILTERS = 8
"""Of an address that names more filters, only the first ones are drawn."""

LARGEST_SIDE = 32
"""Limit on the side of a drawn kernel in pixels; of larger ones, every second, third … value is drawn."""

MOST_VALUES = 1 << 22
"""Addresses that name more values, in their first filters, are not drawn."""


def thumbnails(session: Session, addresses: Iterable[str]) -> dict[str, bytes]:
    """A PNG with one pixel per value for each address; those that cannot be drawn are left out.

    Filters are side by side, each normalized by itself: in colour if they read red, green and blue, else
    their strongest kernel.
    """
    found = {}
    for address in dict.fromkeys(addresses):
        try:
            [match, *_] = session.matches(address)
            png = _drawn(session, match)
        except FilterkitError:  # it was removed in the meantime, or is not an address
            continue
        if png is not None:
            found[address] = png
    return found


def _drawn(session: Session, match: Match) -> bytes | None:
    from filterkit.catalog.weights import bank
    from filterkit.normalizers.minmax import MinMax
    from filterkit.sheets.tiles import bank_sheet

    filters = match.filters[:MOST_FILTERS]
    if len(filters) * len(match.kernels) * math.prod(match.layer["kernel_shape"]) > MOST_VALUES:
        return None
    weights = sliced(bank(session.catalog(), match), filters, match.kernels)
    normalizer, places = MinMax(per="filter"), range(len(filters))
    try:
        sheet = bank_sheet(
            normalizer.normalize(weights),
            filters=places,
            kernels=match.kernels,
            channel_names=match.layer["input_channels"],
            channels="rgb",
        )
    except UsageError:  # not red, green and blue
        sheet = bank_sheet(normalizer.normalize(_strongest(weights)), filters=places, kernels=[0])
    return _png(sheet.tiles.reshape(-1, *sheet.tiles.shape[2:])[: sheet.count])


def _strongest(weights: FloatArray) -> FloatArray:
    """The kernel of largest norm of each filter, shape (filters, 1, *kernel_shape)."""
    import numpy as np

    finite = np.nan_to_num(weights.astype(np.float64), posinf=0, neginf=0)
    energy = np.square(finite).sum(axis=tuple(range(2, weights.ndim)))
    chosen: FloatArray = weights[np.arange(len(weights)), energy.argmax(axis=1)][:, np.newaxis]
    return chosen


def _png(tiles: FloatArray) -> bytes:
    """Tiles, shape (count, height, width[, 3]), side by side; the gaps between them are transparent."""
    import numpy as np
    from PIL import Image

    from filterkit.renderers.canvas import to_bytes

    step = math.ceil(max(tiles.shape[1:3]) / LARGEST_SIDE)
    pixels = to_bytes(tiles[:, ::step, ::step])
    count, height, width = pixels.shape[:3]
    canvas = np.zeros((height, count, width + 1, 4), np.uint8)
    canvas[:, :, :width, :3] = (pixels if pixels.ndim == 4 else pixels[..., np.newaxis]).swapaxes(0, 1)
    canvas[:, :, :width, 3] = 255
    out = io.BytesIO()
    Image.fromarray(canvas.reshape(height, -1, 4)[:, :-1]).save(out, "PNG")
    return out.getvalue()
