"""JPEG and WebP: pixels as files with lossy compression, for any renderer that makes pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from filterkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOSSY = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}
"""The media type of each format."""

QUALITY = 90
"""The default; below it, edges between the values of small kernels show artefacts."""

LONGEST_SIDE = {"image/jpeg": 65_500, "image/webp": 16_383}
"""Limits of libjpeg and of the WebP format, in pixels."""


def check_quality(format: str, quality: int | None) -> None:
    """Raise UsageError if `quality` is out of range, or given for a format without loss."""
    if quality is None:
        return
    if format not in LOSSY:
        raise UsageError(
            f"quality has no effect on {format}, which loses nothing", hint="it is for .jpg and .webp"
        )
    if not 1 <= quality <= 100:
        raise UsageError(
            f"quality must be between 1 and 100, not {quality}", hint=f"the default is {QUALITY}"
        )


def compressed(pixels: NDArray[np.uint8], format: str, quality: int | None) -> bytes:
    """Pixels, shape (height, width) or (height, width, 3), as a file of one of the `LOSSY` formats.

    Raises
    ------
    UsageError
        The picture is larger than the format allows.
    """
    from PIL import Image

    media_type = LOSSY[format]
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE[media_type]:
        raise UsageError(
            f"{width:,} × {height:,} pixels are too many for .{format}; the limit is "
            f"{LONGEST_SIDE[media_type]:,} per side",
            hint="write a .png, or choose fewer filters or a smaller scale",
        )
    out = io.BytesIO()
    chosen = QUALITY if quality is None else quality
    if media_type == "image/jpeg":  # with colours at full resolution, as tiles may be a few pixels wide
        Image.fromarray(pixels).save(out, "JPEG", quality=chosen, subsampling=0)
    else:
        Image.fromarray(pixels).save(out, "WEBP", quality=chosen)
    return out.getvalue()
