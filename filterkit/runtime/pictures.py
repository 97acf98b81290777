"""Pictures as every network takes them: upright, 8-bit, red, green and blue."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.address import refuse_url
from filterkit.errors import ImageError, closest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Picture = str | os.PathLike[str] | NDArray[Any] | Image.Image
    Pixels = NDArray[np.uint8]


GIVE = "give a picture file (PNG, JPEG, TIFF, WebP, …), or a folder of them"

DOWNLOAD = "download it first, e.g. with curl -O, and give the file"

RUN_BY_PROGRAMS = {"EPS"}
"""Formats that Pillow has a program read, which a stranger's file is not to start."""

LARGEST_SIZE = 89_478_485
"""Pixels of the largest picture that Pillow reads, and so of the largest that one is resized to."""


def check_size(height: int, width: int, *, together: int = 1, whose: str = "") -> None:
    """Refuse sizes that no picture is resized to, before memory is taken for it.

    Parameters
    ----------
    together
        How many pictures of this size are held at once.
    whose
        What asks for it, e.g. ``"the network takes "``, where a message begins with that.

    Raises
    ------
    ImageError
        A side or the number is no whole number from 1 on, or there are more than `LARGEST_SIZE` pixels in
        all: red, green and blue of so many are 1 GiB in 32-bit floating-point numbers.
    """
    size = f"{f'{together} pictures' if together != 1 else 'a picture'} of {height} × {width} pixels"
    if not all(isinstance(number, int) and number > 0 for number in (height, width, together)):
        raise ImageError(f"{whose}{size}, which there are not", hint="give raw tensors with --input FILE.npz")
    if height * width * together > LARGEST_SIZE:
        raise ImageError(
            f"{whose}{size}, more than {LARGEST_SIZE:,} in all",
            hint="take a smaller --size, or give raw tensors with --input FILE.npz",
        )


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Picture files, in order; a folder stands for the picture files in it, by name.

    Raises
    ------
    ImageError
        A path does not exist, or a folder holds no pictures.
    UsageError
        One is a URL.
    """
    from PIL import Image

    suffixes = Image.registered_extensions()
    found: list[Path] = []
    for path in map(Path, paths):
        refuse_url(str(path), "a picture is expected here", hint=DOWNLOAD)
        if not path.is_dir():
            if not path.exists():
                raise ImageError(f"there is no picture {path}", hint=_beside(path))
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
        if not inside:
            raise ImageError(f"there are no pictures in the folder {path}", hint=GIVE)
        found += inside
    return found


def _beside(path: Path) -> str | None:
    """A hint that names pictures of the folder where `path` was looked for."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    try:
        names = [file.name for file in path.parent.iterdir() if file.suffix.lower() in suffixes]
    except OSError:
        return f"the folder {path.parent} cannot be read"
    return closest(path.name, names) if names else f"the folder {path.parent} holds no pictures"


def read_picture(picture: Picture) -> Pixels:
    """A picture file, a PIL image or an array, as pixels.

    Files are turned upright as EXIF says; of an animation the first frame is taken; transparency is laid on
    white, as a page would; 16-bit values are scaled to 8 bits; CMYK, palette and gray become RGB. Arrays are
    (H, W), (H, W, 3) or (H, W, 4), either uint8 or numbers from 0 to 1.

    Returns
    -------
    ndarray
        uint8, shape (H, W, 3), in the order R, G, B.

    Raises
    ------
    ImageError
        It is no picture, is damaged, or has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.
    UsageError
        It is a URL.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, Image.Image):
        return _from_pil(picture, "the picture")
    path = Path(picture)
    refuse_url(str(picture), "a picture is expected here", hint=DOWNLOAD)
    if not path.exists():
        raise ImageError(f"there is no picture {path}", hint=_beside(path))
    if path.is_dir():
        raise ImageError(f"{path} is a folder; one picture is expected", hint=_beside(path / "picture"))
    if not path.is_file():
        raise ImageError(f"{path} is not a file", hint=GIVE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_formats()) as image:
                return _from_pil(image, str(path))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path} has more pixels than the {Image.MAX_IMAGE_PIXELS:,} that are read",
            hint="make it smaller",
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not a picture that can be read", hint=GIVE) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{path} cannot be read as a picture: {reason}", hint="save or fetch it again"
        ) from error


def _formats() -> list[str]:
    """What is read, by the names that Pillow gives to formats."""
    from PIL import Image

    Image.init()
    return sorted(set(Image.OPEN) - RUN_BY_PROGRAMS)


def _from_pil(image: Image.Image, name: str) -> Pixels:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _three(_eight_bits(np.asarray(image), name))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(page, image).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bits(values: NDArray[Any], name: str) -> Pixels:
    """Gray of more than 8 bits: integers run to 65535, floats to 1 or to 255."""
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds pixels that are not finite numbers", hint="save it without NaN")
    low, high = float(values.min()), float(values.max())
    top = 65535.0 if values.dtype.kind in "iu" else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        raise ImageError(
            f"{name} holds pixels from {low:g} to {high:g}",
            hint="expected 0 to 1, 0 to 255 or 16-bit integers",
        )
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _from_array(array: NDArray[Any]) -> Pixels:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or array.size == 0:
        raise ImageError(
            f"an array of shape {array.shape} is no picture", hint="expected (H, W), (H, W, 3) or (H, W, 4)"
        )
    if array.dtype != np.uint8:
        if array.dtype.kind not in "fb":
            raise ImageError(
                f"an array of {array.dtype} is no picture", hint="expected uint8, or numbers from 0 to 1"
            )
        unit = array.astype(np.float64)
        if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
            raise ImageError(
                "an array of floating-point pixels must hold numbers from 0 to 1",
                hint="divide by its largest value, or pass uint8",
            )
        array = np.rint(unit * 255).astype(np.uint8)
    if array.ndim == 3 and array.shape[2] == 4:
        from PIL import Image

        return _from_pil(Image.fromarray(array, "RGBA"), "the array")
    return _three(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def _three(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
