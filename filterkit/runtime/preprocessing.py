"""Preprocess pixels for a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import ImageError, UsageError
from filterkit.runtime.pictures import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import Preprocessing

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B for conversion to gray (ITU-R BT.601)."""


Sides = tuple[int | None, int | None]
"""Height and width; None if free."""


def prepare(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    preprocessing: Preprocessing,
    size: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    """Convert a picture to network input: ``(pixel * scale - mean) / std`` in the network's channel order.

    Parameters
    ----------
    pixels
        uint8, or float32 in which 1 corresponds to 255 of uint8; shape (H, W, 3) in the order R, G, B, or
        with the channels of the network (see `filterkit.runtime.pixels.read_pixels`).
    preprocessing
        Preprocessing of the network.
    size
        Height and width to resize to (bilinear, with antialiasing when downsampling); None keeps the size.

    Returns
    -------
    ndarray
        float32, shape (1, C, H, W) or (1, H, W, C), depending on the layout.

    Raises
    ------
    UsageError
        If mean or standard deviation do not match the number of channels.
    ImageError
        If `size` is invalid (see `filterkit.runtime.pictures.check_size`), or there is not enough memory.
    """
    try:
        return _prepared(pixels, preprocessing, size)
    except MemoryError:
        height, width = size or pixels.shape[:2]
        raise ImageError(
            f"not enough memory for a picture of {height} × {width} pixels",
            hint="use a smaller size",
        ) from None


def _prepared(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    preprocessing: Preprocessing,
    size: tuple[int, int] | None,
) -> NDArray[np.float32]:
    if size is not None and size != pixels.shape[:2]:
        check_size(*size, channels=pixels.shape[2], whose="resizing gives ")
        pixels = _resized(pixels, *size, is_rgba=preprocessing.channel_order == "RGBA")
    if preprocessing.channel_order == "BGR":
        pixels = pixels[..., ::-1]
    values = pixels.astype(np.float32, order="C")
    if preprocessing.channel_order == "GRAY":
        values = values @ np.array(LUMA, dtype=np.float32)[:, None]
    scale = preprocessing.scale if pixels.dtype == np.uint8 else preprocessing.scale * 255
    if scale != 1:
        values *= np.float32(scale)
    if preprocessing.mean:
        values -= _per_channel(preprocessing.mean, "mean", values)
    if preprocessing.std:
        values /= _per_channel(preprocessing.std, "std", values)
    if preprocessing.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None])


def span(preprocessing: Preprocessing) -> tuple[list[float], list[float]]:
    """The inputs for black and for white pixels, one per channel."""
    count = len(preprocessing.channels)
    means = [*preprocessing.mean] or [0.0]
    stds = [*preprocessing.std] or [1.0]
    ends = [
        [
            (pixel * preprocessing.scale - means[each % len(means)]) / stds[each % len(stds)]
            for each in range(count)
        ]
        for pixel in (0, 255)
    ]
    return ends[0], ends[1]


def restored(values: NDArray[np.floating], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Undo `prepare`: the picture that a network's input shows, for display.

    Parameters
    ----------
    values
        Shape (C, H, W), whatever the layout.

    Returns
    -------
    ndarray
        Shape (H, W, 3), in the order R, G, B, between 0 and 1. Bands other than the first three are left out.
    """
    black, white = (np.array(ends, np.float32)[:, None, None] for ends in span(preprocessing))
    if preprocessing.channel_order == "BGR":
        values, black, white = values[::-1], black[::-1], white[::-1]
    shown = slice(3 if len(values) >= 3 else 1)
    unit = np.array(values[shown], np.float32, order="C")  # plane by plane, which is faster
    unit -= black[shown]
    unit /= (white - black)[shown]
    np.clip(unit, 0, 1, out=unit)
    colours = np.empty((*values.shape[1:], 3), np.float32)
    colours[...] = unit.transpose(1, 2, 0)
    return colours


def scaled(own: tuple[int, int], fixed: Sides) -> tuple[int, int]:
    """Size of a picture if height or width is fixed; the other keeps the aspect ratio (lines of text)."""
    height, width = fixed
    if height and not width:
        return height, max(round(own[1] * height / own[0]), 1)
    if width and not height:
        return max(round(own[0] * width / own[1]), 1), width
    return height or own[0], width or own[1]


def _resized(
    pixels: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int, *, is_rgba: bool
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Resize bilinearly; colours as one picture (weighted by alpha), bands one by one."""
    from PIL import Image

    def resized(values: NDArray[Any]) -> NDArray[Any]:
        image = Image.fromarray(np.ascontiguousarray(values))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

    if pixels.dtype == np.uint8 and (pixels.shape[2] == 3 or is_rgba):
        return resized(pixels)
    return np.stack([resized(pixels[..., band]) for band in range(pixels.shape[2])], axis=2)


def _per_channel(numbers: tuple[float, ...], name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(numbers) not in (1, values.shape[-1]):
        raise UsageError(f"preprocessing has {len(numbers)} {name} values for {values.shape[-1]} channels")
    return np.array(numbers, dtype=np.float32)
