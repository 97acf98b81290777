"""Read pixels in the channels of a network: RGB, RGBA, or any number of bands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import ImageError
from filterkit.runtime.pictures import (
    BY_ARRAY,
    FLOATS,
    IN_MEMORY,
    LARGEST_SIZE,
    Note,
    PictureBytes,
    PictureFile,
    eight_bits,
    has_sixteen_bits,
    note_range,
    note_sixteen_bits,
    numbers_of,
    open_picture,
    picture_errors,
    picture_file,
    read_picture,
    report,
    three,
)
from filterkit.runtime.tiff_bands import read_samples, read_wide_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from filterkit.records import Preprocessing
    from filterkit.runtime.pictures import Picture

NPY = b"\x93NUMPY"
"""The first bytes of ``.npy`` files."""


def read_pixels(
    picture: Picture | PictureBytes,
    preprocessing: Preprocessing,
    *,
    note: Note = report,
    name: str = "the array",
) -> NDArray[Any]:
    """Read a picture file, an ``.npy`` file, a PIL image or an array in the channels of a network.

    Parameters
    ----------
    picture
        For colours, see `filterkit.runtime.pictures.read_picture`. For bands, an array or ``.npy`` file of
        shape (H, W, bands), or a TIFF file with that number of channels or of single-channel frames.
    preprocessing
        Its ``channel_order`` determines the channels.
    note
        Called with a message if the pixels are far from their assumed range.
    name
        The name of an array in messages.

    Returns
    -------
    ndarray
        Shape (H, W, channels): R, G, B; R, G, B, A; or bands. uint8, or float32 in which 1 corresponds to 255
        of uint8: floating-point and 16-bit arrays keep their precision.

    Raises
    ------
    ImageError
        If it is not a picture, is corrupted or too large, or its channels do not match the network.
    """
    if isinstance(picture, bytes):
        picture = PictureBytes(IN_MEMORY, picture)
    if isinstance(picture, str | os.PathLike | PictureBytes):
        file = picture_file(picture)
        if _is_npy(file):
            from filterkit.runtime.raw_inputs import read_array

            picture, name = read_array(file), str(file)
    order, bands = preprocessing.channel_order, preprocessing.bands
    if isinstance(picture, np.ndarray):
        if order == "BANDS":
            return _bands_of_array(picture, bands, name, note, as_it_is=preprocessing.assumed)
        return _colours_of_array(picture, name, note, is_rgba=order == "RGBA")
    if isinstance(picture, str | os.PathLike | PictureBytes):
        with picture_errors(file):
            samples = read_samples(file, bands) if order == "BANDS" else read_wide_samples(file, (1, 3, 4))
        if samples is not None and order == "BANDS":
            return _in_range(_narrowed(samples), str(file), note)
        if samples is not None:
            return _colours_of_array(_narrowed(samples), str(file), note, is_rgba=order == "RGBA")
    if order == "BANDS":
        return open_picture(picture, lambda image, name: _bands_of_image(image, bands, name, note))
    if order == "RGBA":
        return open_picture(picture, lambda image, name: _rgba(image, name, note))
    return read_picture(picture, note=note)


def _is_npy(path: PictureFile) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(NPY)) == NPY
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error


def _colours_of_array(array: NDArray[Any], name: str, note: Note, *, is_rgba: bool) -> NDArray[Any]:
    """RGB or RGBA from an array of gray, RGB or RGBA."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or array.size == 0:
        raise ImageError(
            f"{name} of shape {array.shape} is not a colour picture",
            hint="expected (H, W), (H, W, 3) or (H, W, 4)" + _turned(array, (1, 3, 4)),
        )
    pixels = _in_range(array, name, note)
    pixels = three(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if not is_rgba and pixels.shape[2] == 4:
        if pixels.dtype == np.uint8:
            return read_picture(pixels)
        page, alpha = np.float32(1), pixels[..., 3:]
        return np.ascontiguousarray(pixels[..., :3] * alpha + page * (1 - alpha))
    return _opaque(pixels) if is_rgba and pixels.shape[2] == 3 else pixels


def _opaque(pixels: NDArray[Any]) -> NDArray[Any]:
    alpha = np.full((*pixels.shape[:2], 1), 255 if pixels.dtype == np.uint8 else 1, pixels.dtype)
    return np.concatenate([pixels, alpha], axis=2)


def _in_range(array: NDArray[Any], name: str, note: Note) -> NDArray[Any]:
    """uint8 unchanged; 16-bit integers and floats up to 1 or 255 as float32 between 0 and 1."""
    if array.dtype == np.uint8:
        return array
    kind, itemsize = array.dtype.kind, array.dtype.itemsize
    if kind not in "bf" and (kind not in "iu" or itemsize != 2):
        raise ImageError(
            f"{name} of {array.dtype} is not a picture",
            hint="expected uint8, uint16, or floats between 0 and 1, as in array.astype('uint8')",
        )
    if not np.isfinite(array).all():
        raise ImageError(
            f"{name} has pixels that are NaN or infinite", hint="replace them with finite values"
        )
    low, high = float(array.min()), float(array.max())
    top = 65535.0 if kind in "iu" else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        raise ImageError(
            f"{name} has pixels from {low:g} to {high:g}",
            hint="expected 0 to 1, 0 to 255 or 16-bit integers; filterkit maps --input accepts any values",
        )
    if kind != "b":
        note_range(high, top, "16-bit pixels" if kind in "iu" else FLOATS, name, note)
    values = array.astype(np.float32)
    return values if top == 1 else values / np.float32(top)


def _bands_of_array(
    array: NDArray[Any], bands: int, name: str, note: Note, *, as_it_is: bool
) -> NDArray[Any]:
    """Bands of an array; with `as_it_is`, floats are not scaled, as their range is unknown."""
    if array.ndim == 2 and bands == 1:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] != bands or array.size == 0:
        raise ImageError(
            f"{name} has shape {array.shape}, but the network takes {bands} bands",
            hint=f"expected (H, W, {bands})" + _turned(array, (bands,)),
        )
    if not as_it_is or array.dtype.kind != "f":
        return _in_range(array, name, note)
    if not np.isfinite(array).all():
        raise ImageError(
            f"{name} has values that are NaN or infinite", hint="replace them with finite values"
        )
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        note(
            f"{name} has values from {low:g} to {high:g}; they are used unscaled, although the network may "
            "expect 0 to 1"
        )
    else:
        note_range(high, 1, FLOATS, name, note)
    return array.astype(np.float32)


def _turned(array: NDArray[Any], channels: tuple[int, ...]) -> str:
    return ": numpy.moveaxis(array, 0, -1)" if array.ndim == 3 and array.shape[0] in channels else ""


def _rgba(image: Image.Image, name: str, note: Note) -> NDArray[Any]:
    from PIL import ImageOps

    is_deep = has_sixteen_bits(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _opaque(three(eight_bits(numbers_of(image), name, note)))
    image = ImageOps.exif_transpose(image)
    pixels = np.asarray(image.convert("RGBA"))
    if is_deep:
        note_sixteen_bits(pixels, name, note)
    return pixels


def _bands_of_image(image: Image.Image, bands: int, name: str, note: Note) -> NDArray[Any]:
    """All channels unchanged, or one frame per band."""
    from PIL import ImageOps

    width, height = image.size
    if width * height * bands > 3 * LARGEST_SIZE:
        raise ImageError(
            f"{name} has {bands} bands of {height} × {width} pixels, which is too large", hint="crop it"
        )
    own, is_file = image.getbands(), image.format is not None
    stored = getattr(image, "tag_v2", {}).get(277, len(own))  # SamplesPerPixel of a TIFF
    if image.mode in ("P", "PA") or (image.format != "TIFF" and is_file and "A" in own):
        stored = None
    if stored == len(own) == bands:
        is_deep = has_sixteen_bits(image)
        pixels = np.asarray(ImageOps.exif_transpose(image))
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        if is_deep:
            note_sixteen_bits(pixels, name, note)
    else:
        frames = _frames(image, bands) if len(own) == 1 and stored == 1 and bands > 1 else None
        if frames is None:
            raise _channel_mismatch(image, bands, name, stored)
        pixels = np.stack(frames, axis=2)
    return _in_range(_narrowed(pixels), name, note)


def _narrowed(pixels: NDArray[Any]) -> NDArray[Any]:
    """Convert 16-bit values that Pillow reads as 32-bit back to uint16; other wide integers to float64."""
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize <= 2:
        return pixels
    fits = pixels.min() >= 0 and pixels.max() <= 65535
    return pixels.astype(np.uint16) if fits else pixels.astype(np.float64)


def _frames(image: Image.Image, bands: int) -> list[NDArray[Any]] | None:
    """The single-channel frames, if there is one per band, all of the same size and type."""
    frames: list[NDArray[Any]] = []
    size, mode = image.size, image.mode
    try:
        for number in range(bands):
            image.seek(number)
            if image.size != size or image.mode != mode:
                return None
            frames.append(numbers_of(image).copy())
    except EOFError:
        return None
    try:
        image.seek(bands)
    except EOFError:
        return frames
    return None


def _channel_mismatch(image: Image.Image, bands: int, name: str, stored: int | None) -> ImageError:
    own = image.getbands()
    has = f"{len(own)} channel{'s' * (len(own) != 1)} ({', '.join(own)})"
    if stored is not None and stored != len(own):
        has = f"{stored} channels, of which {len(own)} can be read"
    hint = f"give {BY_ARRAY}, or a TIFF with {bands} channels or frames"
    if bands == 4 and len(own) in (3, 4):
        hint = "to use them as RGBA, add the model with --replace --preprocessing unit:channels=RGBA"
    return ImageError(f"{name} has {has}; the network takes {bands} bands", hint=hint)
