"""Read pictures as upright 8-bit RGB."""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from filterkit.address import refuse_url
from filterkit.errors import ImageError, closest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Picture = str | os.PathLike[str] | bytes | NDArray[Any] | Image.Image
    Pixels = NDArray[np.uint8]

# Pillow logs some errors that it also raises; without a handler Python would print them.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Note = Callable[[str], None]


@dataclass(frozen=True)
class PictureBytes:
    """A picture file in memory, which is opened like a path."""

    name: str
    content: bytes = field(repr=False)

    def open(self, mode: Literal["rb"]) -> io.BytesIO:
        return io.BytesIO(self.content)

    def __str__(self) -> str:
        return self.name


PictureFile = Path | PictureBytes

IN_MEMORY = "the picture"
"""The name of a picture file that was given as bytes."""

GIVE = "give a picture file (PNG, JPEG, TIFF, WebP, …), or a folder of them"

DOWNLOAD = "download it first, e.g. with curl -O, and give the path of the file"
BY_ARRAY = "an .npy file of shape (H, W, channels)"

FLOATS = "floating-point pixels"
FAR = 16
"""Pictures that use less than 1/FAR of the range are reported, e.g. 12-bit data in a 16-bit file."""

FAULTS = (
    *(OSError, SyntaxError, ValueError, EOFError, MemoryError, struct.error),
    *(LookupError, TypeError, ArithmeticError, UserWarning),
)
"""Exceptions raised for corrupted files by Pillow and by the reader of TIFF tags."""

RUN_BY_PROGRAMS = {"EPS"}
"""Formats for which Pillow runs an external program, which untrusted files must not start."""

LARGEST_SIZE = 89_478_485
"""Maximum number of pixels that Pillow reads by default, also used as the limit for resizing."""


def check_size(height: int, width: int, *, together: int = 1, channels: int = 3, whose: str = "") -> None:
    """Check the size of pictures before memory is allocated for them.

    Parameters
    ----------
    together
        Number of pictures of this size in memory at the same time.
    channels
        Channels per picture; more than three reduce the number of pixels allowed.
    whose
        Beginning of the error message, e.g. ``"the network takes "``.

    Raises
    ------
    ImageError
        If a side or the number is not a positive integer, or there are more than `LARGEST_SIZE` pixels in
        total, which take 1 GiB as float32 RGB.
    """
    size = f"{f'{together} pictures' if together != 1 else 'a picture'} of {height} × {width} pixels"
    if not all(isinstance(number, int) and number > 0 for number in (height, width, together)):
        raise ImageError(
            f"{whose}{size}, which is not a valid size", hint="give raw tensors with --input FILE.npz"
        )
    if height * width * together * max(channels, 3) > 3 * LARGEST_SIZE:
        most = f"{LARGEST_SIZE if channels <= 3 else 3 * LARGEST_SIZE // channels:,}"
        raise ImageError(
            f"{whose}{size}; the limit is {most}" + (f" with {channels} channels" if channels > 3 else ""),
            hint="use a smaller --size, or give raw tensors with --input FILE.npz",
        )


def _beside(path: Path) -> str | None:
    """A hint that lists pictures in the folder of `path`."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    try:
        beside = [*path.parent.iterdir()]
        names = [file.name for file in beside if file.suffix.lower() in (*suffixes, ".npy")]
        if not path.suffix:
            names += [each.name for each in beside if each.is_dir() and not each.name.startswith(".")]
    except OSError:
        return f"cannot read folder {path.parent}"
    return closest(path.name, names) if names else f"folder {path.parent} contains no pictures"


def missing_picture(path: Path) -> ImageError:
    """The error for a file that does not exist."""
    return ImageError(f"picture {path} does not exist", hint=_beside(path))


def report(text: str) -> None:
    """Log a warning about a picture."""
    logging.getLogger("filterkit").warning("%s", text)


def read_picture(picture: Picture | PictureBytes, *, note: Note = report) -> Pixels:
    """Read a picture file, its content as bytes, a PIL image or an array as pixels.

    Files are rotated according to EXIF; the first frame of an animation is used; transparency is composited
    on white; 16-bit values are scaled to 8 bits; CMYK, palette and gray are converted to RGB. Arrays are (H,
    W), (H, W, 3) or (H, W, 4), either uint8 or floats between 0 and 1.

    Parameters
    ----------
    note
        Called with a message if the pixels are far from their assumed range.

    Returns
    -------
    ndarray
        uint8, shape (H, W, 3), in the order R, G, B.

    Raises
    ------
    ImageError
        If it is not a picture, is corrupted, or has more pixels than ``PIL.Image.MAX_IMAGE_PIXELS``.
    UsageError
        If it is a URL.
    """
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if isinstance(picture, bytes):
        picture = PictureBytes(IN_MEMORY, picture)
    return open_picture(picture, lambda image, name: _from_pil(image, name, note))


def open_picture(
    picture: str | os.PathLike[str] | PictureBytes | Image.Image,
    read: Callable[[Image.Image, str], NDArray[Any]],
) -> NDArray[Any]:
    """Apply `read` to a picture file or PIL image and its name; raises like `read_picture`."""
    from PIL import Image

    if isinstance(picture, Image.Image):
        return read(picture, "the picture")
    file = picture_file(picture)
    with picture_errors(file), file.open("rb") as opened, Image.open(opened, formats=_formats()) as image:
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError  # whatever other threads do to the filters of warnings
        return read(image, str(file))


@contextmanager
def picture_errors(path: PictureFile) -> Iterator[None]:
    """Convert exceptions about a file to ImageError, with a one-line message and a hint."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _filters:
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{path} has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,}",
            hint="use a smaller picture",
        ) from error
    except UnidentifiedImageError as error:
        raise _other_kind(path) or ImageError(
            f"{path} is not a picture in a supported format", hint=_hint_unsupported(path)
        ) from error
    except FAULTS as error:
        if (other := _other_kind(path)) is not None:
            raise other from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(
            f"cannot read {path} as a picture: {reason}",
            hint="the file may be corrupted; save or download it again",
        ) from error


class _WarningFilters:
    """Make errors of Pillow's warnings; installed by the first thread that reads and removed by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        from PIL import Image

        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            self._saved = warnings.catch_warnings()
            self._saved.__enter__()
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("error", "Truncated File Read", UserWarning)
            warnings.filterwarnings("ignore", "Tag data larger than file", UserWarning)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._saved.__exit__(None, None, None)


_filters = _WarningFilters()


def picture_file(path: str | os.PathLike[str] | PictureBytes) -> PictureFile:
    """Check that `path` is a file; raises ImageError, or UsageError for a URL."""
    if isinstance(path, PictureBytes):
        return path
    refuse_url(str(path), "expected a picture file", hint=DOWNLOAD)
    path = Path(path)
    if not path.exists():
        raise missing_picture(path)
    if path.is_dir():
        raise ImageError(f"{path} is a folder; expected one picture", hint=_beside(path / "picture"))
    if not path.is_file():
        raise ImageError(f"{path} is not a file", hint=GIVE)
    return path


def _other_kind(path: PictureFile) -> ImageError | None:
    """The error for a file that is identified as something other than a picture, or None."""
    from filterkit.graph.loading.file_kinds import NOT_THE_FILE, ZIP, file_kind

    in_memory = path.content if isinstance(path, PictureBytes) else None
    kind = file_kind(Path(str(path)), in_memory)
    if kind is None or kind.what.startswith("a picture"):
        return None
    hint = kind.hint if kind.hint in NOT_THE_FILE else GIVE
    if kind.what == ZIP.what:
        hint = f"zip:{path} stands for the pictures in it"
    elif kind.what == "a text file" and str(path).lower().endswith((".txt", ".csv")):
        hint = f"list:{path} stands for the pictures listed in it"
    return ImageError(f"{path} is not a picture but {kind.what}", hint=hint)


def _hint_unsupported(path: PictureFile) -> str:
    """A hint for a file that Pillow cannot identify, which may be a TIFF with unsupported channels."""
    try:
        with path.open("rb") as file:
            is_tiff = file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:
        is_tiff = False
    return f"its TIFF channels are not supported; convert it to {BY_ARRAY}" if is_tiff else GIVE


FREQUENT = frozenset(("JPEG", "PNG"))
"""Formats that are tried first; trying others before takes half of the time for small pictures."""


def _formats() -> list[str]:
    """Supported formats, by their names in Pillow, in the order in which a file is tried as one of them."""
    from PIL import Image

    Image.init()
    return sorted(set(Image.OPEN) - RUN_BY_PROGRAMS, key=lambda name: (name not in FREQUENT, name))


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
    """Pixels of an image, upright; 16-bit TIFF with 0 as white, which Pillow does not invert, is inverted."""
    from PIL import ImageOps

    pixels = np.asarray(ImageOps.exif_transpose(image))
    is_white = image.mode.startswith("I;16") and getattr(image, "tag_v2", {}).get(262) == 0
    return 65535 - pixels if is_white else pixels


def has_sixteen_bits(image: Image.Image) -> bool:
    """Whether a colour file, which Pillow reads as 8-bit, has 16 bits per channel; call before loading it."""
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())) and len(image.getbands()) > 1


def note_sixteen_bits(pixels: Pixels, name: str, note: Note) -> None:
    """Report 16-bit colours, of which only the upper 8 bits were read, if they are nearly black."""
    high = int(pixels[..., :3].max(initial=0))
    if high < 256 // FAR:
        note(f"{name} has 16-bit pixels below {256 * (high + 1)}; they are interpreted as 0 to 65535")


def note_range(high: float, top: float, kind: str, name: str, note: Note) -> None:
    """Report a largest pixel far below `top`, the assumed maximum."""
    if 0 < high < top / FAR:
        note(f"{name} has {kind} of at most {high:g}; they are interpreted as 0 to {top:g}")
    elif kind == FLOATS and top == 255:
        note(f"{name} has {kind} of at most {high:g}; they are interpreted as 0 to 255, not 0 to 1")


def eight_bits(values: NDArray[Any], name: str, note: Note) -> Pixels:
    """Convert gray of more than 8 bits: integers range to 65535, floats to 1 or 255."""
    if not np.isfinite(values).all():
        raise ImageError(
            f"{name} has pixels that are NaN or infinite", hint="replace them with finite values"
        )
    low, high = float(values.min()), float(values.max())
    is_whole = values.dtype.kind in "iu"
    top = 65535.0 if is_whole else 1.0 if high <= 1 else 255.0
    if low < 0 or high > top:
        raise ImageError(
            f"{name} has pixels from {low:g} to {high:g}",
            hint="expected 0 to 1, 0 to 255 or 16-bit integers",
        )
    note_range(high, top, "16-bit pixels" if is_whole else FLOATS, name, note)
    return np.rint(values * (255.0 / top)).astype(np.uint8)


def _from_array(array: NDArray[Any]) -> Pixels:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or array.size == 0:
        raise ImageError(
            f"an array of shape {array.shape} is not a picture",
            hint="expected (H, W), (H, W, 3) or (H, W, 4)",
        )
    if array.dtype != np.uint8:
        if array.dtype.kind not in "fb":
            raise ImageError(
                f"an array of {array.dtype} is not a picture",
                hint="expected uint8, or floats between 0 and 1",
            )
        unit = array.astype(np.float64)
        if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
            raise ImageError(
                "floating-point pixels must be between 0 and 1",
                hint="divide the array by its maximum, or pass uint8",
            )
        array = np.rint(unit * 255).astype(np.uint8)
    if array.ndim == 3 and array.shape[2] == 4:
        from PIL import Image

        return _from_pil(Image.fromarray(array, "RGBA"), "the array", report)
    return three(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def three(pixels: NDArray[Any]) -> NDArray[Any]:
    """Replicate gray to R, G and B."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
