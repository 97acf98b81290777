"""Pictures as every network takes them: upright, 8-bit, red, green and blue."""

from __future__ import annotations

import logging
import os
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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

# Pillow logs some of what it also raises; without a handler Python prints that.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Note = Callable[[str], None]

GIVE = "give a picture file (PNG, JPEG, TIFF, WebP, …), or a folder of them"

DOWNLOAD = "download it first, e.g. with curl -O, and give the file"
BY_ARRAY = "numpy.save(FILE.npy, array of shape (H, W, channels)) is"

FLOATS = "floating-point pixels"
FAR = 16
"""What is darker than this part of the whole range is reported: 12 bits in a picture of 16, for one."""

FAULTS = (
    *(OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error),
    *(LookupError, TypeError, ArithmeticError, UserWarning),
)
"""What a damaged file leads to, in Pillow and in what looks at its tags."""

RUN_BY_PROGRAMS = {"EPS"}
"""Formats that Pillow has a program read, which a stranger's file is not to start."""

LARGEST_SIZE = 89_478_485
"""Pixels of the largest picture that Pillow reads, and so of the largest that one is resized to."""


def check_size(height: int, width: int, *, together: int = 1, channels: int = 3, whose: str = "") -> None:
    """Refuse sizes that no picture is resized to, before memory is taken for it.

    Parameters
    ----------
    together
        How many pictures of this size are held at once.
    channels
        How many each has: as much as more than three of them hold is held.
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
    if height * width * together * max(channels, 3) > 3 * LARGEST_SIZE:
        most = f"{LARGEST_SIZE if channels <= 3 else 3 * LARGEST_SIZE // channels:,}"
        raise ImageError(
            f"{whose}{size}, more than {most} in all" + (f" of {channels} channels" if channels > 3 else ""),
            hint="take a smaller --size, or give raw tensors with --input FILE.npz",
        )


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Picture files, in order; a folder stands for the picture files in it, by name.

    A folder without pictures stands for the arrays in it, ``.npy``.

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
        files = sorted(file for file in path.iterdir() if file.is_file())
        inside = [file for file in files if file.suffix.lower() in suffixes]
        inside = inside or [file for file in files if file.suffix.lower() == ".npy"]
        if not inside:
            raise ImageError(f"there are no pictures in the folder {path}", hint=GIVE)
        found += inside
    return found


def _beside(path: Path) -> str | None:
    """A hint that names pictures of the folder where `path` was looked for."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    try:
        names = [file.name for file in path.parent.iterdir() if file.suffix.lower() in (*suffixes, ".npy")]
    except OSError:
        return f"the folder {path.parent} cannot be read"
    return closest(path.name, names) if names else f"the folder {path.parent} holds no pictures"


def report(text: str) -> None:
    """Say what is noteworthy of a picture that is read all the same."""
    logging.getLogger("filterkit").warning("%s", text)


def read_picture(picture: Picture, *, note: Note = report) -> Pixels:
    """A picture file, a PIL image or an array, as pixels.

    Files are turned upright as EXIF says; of an animation the first frame is taken; transparency is laid on
    white, as a page would; 16-bit values are scaled to 8 bits; CMYK, palette and gray become RGB. Arrays are
    (H, W), (H, W, 3) or (H, W, 4), either uint8 or numbers from 0 to 1.

    Parameters
    ----------
    note
        Receives a sentence where the pixels are far from the range that they are taken to have.

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
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    return open_picture(picture, lambda image, name: _from_pil(image, name, note))


def open_picture(
    picture: str | os.PathLike[str] | Image.Image, read: Callable[[Image.Image, str], NDArray[Any]]
) -> NDArray[Any]:
    """What `read` makes of a picture file or a PIL image and of its name; raises as `read_picture` does."""
    from PIL import Image

    if isinstance(picture, Image.Image):
        return read(picture, "the picture")
    path = picture_file(picture)
    with picture_errors(path), Image.open(path, formats=_formats()) as image:
        return read(image, str(path))


@contextmanager
def picture_errors(path: Path) -> Iterator[None]:
    """Turn what is raised of a file into ImageError, of one line and with a hint."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("error", "Truncated File Read", UserWarning)
            warnings.filterwarnings("ignore", "Tag data larger than file", UserWarning)
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path} has more pixels than the {Image.MAX_IMAGE_PIXELS:,} that are read",
            hint="make it smaller",
        ) from error
    except UnidentifiedImageError as error:
        raise _no_picture(path) or ImageError(
            f"{path} is not a picture that can be read", hint=_way_out(path)
        ) from error
    except FAULTS as error:
        if (other := _no_picture(path)) is not None:
            raise other from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"{path} cannot be read as a picture: {reason}", hint="save or fetch it again"
        ) from error


def picture_file(path: str | os.PathLike[str]) -> Path:
    """`path`, which is a file; raises ImageError otherwise, and UsageError where it is a URL."""
    refuse_url(str(path), "a picture is expected here", hint=DOWNLOAD)
    path = Path(path)
    if not path.exists():
        raise ImageError(f"there is no picture {path}", hint=_beside(path))
    if path.is_dir():
        raise ImageError(f"{path} is a folder; one picture is expected", hint=_beside(path / "picture"))
    if not path.is_file():
        raise ImageError(f"{path} is not a file", hint=GIVE)
    return path


def _no_picture(path: Path) -> ImageError | None:
    """The error about a file that is known to be something else than a picture."""
    from filterkit.graph.loading.file_kinds import NOT_THE_FILE, file_kind

    kind = file_kind(path)
    if kind is None or kind.what.startswith("a picture"):
        return None
    return ImageError(
        f"{path} is not a picture but {kind.what}", hint=kind.hint if kind.hint in NOT_THE_FILE else GIVE
    )


def _way_out(path: Path) -> str:
    """A hint for what Pillow does not know: TIFF it may know, but not of so many channels."""
    try:
        with path.open("rb") as file:
            is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:
        is_tiff = False
    return "of TIFF not every number and type of channels is read: " + BY_ARRAY if is_tiff else GIVE


def _formats() -> list[str]:
    """What is read, by the names that Pillow gives to formats."""
    from PIL import Image

    Image.init()
    return sorted(set(Image.OPEN) - RUN_BY_PROGRAMS)


def _from_pil(image: Image.Image, name: str, note: Note) -> Pixels:
    from PIL import Image, ImageOps

    is_deep = has_sixteen_bits(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return three(eight_bits(numbers_of(image), name, note))
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        pixels = np.asarray(Image.alpha_composite(page, image).convert("RGB"))
    else:
        pixels = np.asarray(image.convert("RGB"))
    if is_deep:
        note_sixteen_bits(pixels, name, note)
    return pixels


def numbers_of(image: Image.Image) -> NDArray[Any]:
    """The pixels of an image, upright; of 16 bits, where 0 is white in a TIFF, Pillow leaves them so."""
    from PIL import ImageOps

    pixels = np.asarray(ImageOps.exif_transpose(image))
    is_white = image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(262) == 0
    return 65535 - pixels if is_white else pixels


def has_sixteen_bits(image: Image.Image) -> bool:
    """Whether a file of colours, which Pillow reads as 8 bits, has 16 of each; asked before it is loaded."""
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())) and len(image.getbands()) > 1


def note_sixteen_bits(pixels: Pixels, name: str, note: Note) -> None:
    """Say so where colours of 16 bits, of which the upper 8 were read, are nearly black."""
    high = int(pixels[..., :3].max(initial=0))
    if high < 256 // FAR:
        note(f"{name} holds 16-bit pixels of less than {256 * (high + 1)}; they are read as 0 to 65535")


def note_range(high: float, top: float, kind: str, name: str, note: Note) -> None:
    """Say so where the largest pixel is far below `top`, which it is read to be a part of."""
    if 0 < high < top / FAR:
        note(f"{name} holds {kind} of at most {high:g}; they are read as 0 to {top:g}")
    elif kind == FLOATS and top == 255:
        note(f"{name} holds {kind} of at most {high:g}; they are read as 0 to 255, not as 0 to 1")


def eight_bits(values: NDArray[Any], name: str, note: Note) -> Pixels:
    """Gray of more than 8 bits: integers run to 65535, floats to 1 or to 255."""
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds pixels that are not finite numbers", hint="save it without NaN")
    low, high = float(values.min()), float(values.max())
    is_whole = values.dtype.kind in "iu"
    top = 65535.0 if is_whole else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        raise ImageError(
            f"{name} holds pixels from {low:g} to {high:g}",
            hint="expected 0 to 1, 0 to 255 or 16-bit integers",
        )
    note_range(high, top, "16-bit pixels" if is_whole else FLOATS, name, note)
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

        return _from_pil(Image.fromarray(array, "RGBA"), "the array", report)
    return three(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def three(pixels: NDArray[Any]) -> NDArray[Any]:
    """Gray as R, G and B."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
