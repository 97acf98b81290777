"""From pixels to what a network was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import ImageError, UsageError
from filterkit.runtime.pictures import check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import Preprocessing

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in gray, after ITU-R BT.601."""


Sides = tuple[int | None, int | None]
"""Height and width, None where it is free."""


def prepare(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    preprocessing: Preprocessing,
    size: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    """One picture as a network's input: ``(pixel * scale - mean) / std`` in the network's channel order.

    Parameters
    ----------
    pixels
        uint8, or float32 of which 1 is as much as 255 of uint8; shape (H, W, 3), R, G, B, or as many channels
        as the network has where it reads others (see `filterkit.runtime.pixels.read_pixels`).
    preprocessing
        What the network expects.
    size
        Height and width to resize to (bilinear, with antialiasing when shrinking); None keeps the size.

    Returns
    -------
    ndarray
        float32, shape (1, C, H, W), or (1, H, W, C) where the layout says so.

    Raises
    ------
    UsageError
        The preprocessing has a mean or a standard deviation for another number of channels.
    ImageError
        `size` is none that a picture is resized to (see `filterkit.runtime.pictures.check_size`), or there
        is not enough memory for it.
    """
    try:
        return _prepared(pixels, preprocessing, size)
    except MemoryError:
        height, width = size or pixels.shape[:2]
        raise ImageError(
            f"there is not enough memory for a picture of {height} × {width} pixels",
            hint="take a smaller size",
        ) from None


def _prepared(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    preprocessing: Preprocessing,
    size: tuple[int, int] | None,
) -> NDArray[np.float32]:
    if size is not None and size != pixels.shape[:2]:
        check_size(*size, channels=pixels.shape[2], whose="resizing makes ")
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


def scaled(own: tuple[int, int], fixed: Sides) -> tuple[int, int]:
    """A picture's size where height or width is fixed; the other keeps the aspect, as for lines of text."""
    height, width = fixed
    if height and not width:
        return height, max(round(own[1] * height / own[0]), 1)
    if width and not height:
        return max(round(own[0] * width / own[1]), 1), width
    return height or own[0], width or own[1]


def _resized(
    pixels: NDArray[np.uint8] | NDArray[np.float32], height: int, width: int, *, is_rgba: bool
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Bilinear; colours as one picture (where one is transparent, by how much it shows), bands one by one."""
    from PIL import Image

    def resized(values: NDArray[Any]) -> NDArray[Any]:
        image = Image.fromarray(np.ascontiguousarray(values))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

    if pixels.dtype == np.uint8 and (pixels.shape[2] == 3 or is_rgba):
        return resized(pixels)
    return np.stack([resized(pixels[..., band]) for band in range(pixels.shape[2])], axis=2)


def _per_channel(numbers: tuple[float, ...], name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(numbers) not in (1, values.shape[-1]):
        raise UsageError(f"preprocessing has {len(numbers)} values of {name} for {values.shape[-1]} channels")
    return np.array(numbers, dtype=np.float32)
