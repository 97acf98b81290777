"""Read TIFF files with any number and type of channels, most of which Pillow does not support.

A row of W pixels of N bytes each is equivalent to a row of W × N single-byte pixels. With rewritten tags,
Pillow can decompress the same data as such a picture, and NumPy reinterprets the bytes. If channels are
stored separately, each is read with its own tags.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from filterkit.runtime.pictures import LARGEST_SIZE, PictureFile

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

MOST_BYTES = 1 << 30
"""Maximum size of a file and of its pixels in bytes; the usual limit on the number of pixels also applies."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, PLANAR, PREDICTOR, FORMAT = 274, 277, 284, 317, 339
TILE_WIDTH = 322
KEPT = (HEIGHT, COMPRESSION, 266, 278, 323)  # 266, 278, 323: fill order, rows per strip, tile height
SHORT = frozenset((BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, 266))
PIECES = ((324, 325), (273, 279))
"""Tags of the offsets and lengths of tiles, and of strips."""

SEPARATE, HORIZONTAL, FLOATING = 2, 2, 3
PREDICTED = frozenset((5, 8, 32946, 34925, 50000))
LOSSLESS = PREDICTED | {1, 32773}
"""Compressions that are independent of the pixel type: LZW, Deflate, LZMA, Zstandard, none, PackBits."""

KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
"""NumPy kinds for SampleFormat: unsigned, signed, floating-point, undefined."""
READ_BY_PILLOW = frozenset(("u1", "u2"))
"""Types that Pillow supports for colours; it supports more types for gray."""
GRAY_BY_PILLOW = READ_BY_PILLOW | {"i1", "i2", "u4", "i4", "f4"}


def read_samples(path: PictureFile, channels: int) -> NDArray[Any] | None:
    """The unscaled channels of a TIFF file, rotated as its tags say, shape (H, W, channels).

    Returns
    -------
    ndarray or None
        None if it is not a TIFF file, has another number of channels, or is not supported.

    Raises
    ------
    OSError, SyntaxError, ValueError, struct.error, …
        Raised by Pillow for a corrupted file.
    """
    return _read(path, lambda count, _: count == channels > 1)


def read_wide_samples(path: PictureFile, channels: Collection[int]) -> NDArray[Any] | None:
    """The same for a file with one of these numbers of channels and a type that Pillow does not support."""
    return _read(
        path,
        lambda count, kind: count in channels and kind not in (GRAY_BY_PILLOW, READ_BY_PILLOW)[count > 1],
    )


def _read(path: PictureFile, is_wanted: Callable[[int, str], bool]) -> NDArray[Any] | None:
    with path.open("rb") as file:
        tags = _tags(file)
        kind = None if tags is None else _kind(tags)
        if tags is None or kind is None or not is_wanted(tags.get(SAMPLES, 1), kind):
            return None
        file.seek(0)
        content = file.read(MOST_BYTES + 1)
    channels, itemsize = int(tags.get(SAMPLES, 1)), int(kind[1:])
    offsets, lengths = next(pair for pair in PIECES if pair[0] in tags)
    where, long = _numbers(tags, offsets), _numbers(tags, lengths)
    if any(start + length > len(content) for start, length in zip(where, long, strict=True)):
        raise ValueError("image file is truncated")
    if len(content) > MOST_BYTES or sum(long) > len(content):
        raise ValueError(f"larger than {MOST_BYTES:,} bytes, or declares more data than it contains")
    samples = tags[WIDTH] * tags[HEIGHT] * channels
    if samples > 3 * LARGEST_SIZE or samples * itemsize > MOST_BYTES:
        raise ValueError(f"{channels} channels of {tags[WIDTH]} × {tags[HEIGHT]} pixels are too many")
    planes = channels if tags.get(PLANAR, 1) == SEPARATE else 1
    each = len(where) // planes
    pieces = (slice(each * plane, each * (plane + 1)) for plane in range(planes))
    parts = [
        _values(content, tags, channels // planes, kind, {offsets: where[piece], lengths: long[piece]})
        for piece in pieces
    ]
    pixels = parts[0] if planes == 1 else np.concatenate(parts, axis=2)
    return _upright(pixels, tags.get(ORIENTATION, 1))


def _tags(file: BinaryIO) -> ImageFileDirectory_v2 | None:
    """The tags of the first picture in a TIFF or BigTIFF file."""
    from PIL import TiffImagePlugin

    header = file.read(8)
    if len(header) < 8 or header[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    order = header[:2]
    if b"+" in header[2:4]:  # Pillow only recognizes the little-endian BigTIFF mark
        header = b"II+\0" + header[4:] + file.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(header, prefix=order)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _kind(tags: ImageFileDirectory_v2) -> str | None:
    """NumPy name of the type of all channels, or None if the picture is not supported."""
    bits, formats = (set(_numbers(tags, tag)) for tag in (BITS, FORMAT))
    if len(bits) != 1 or len(formats) > 1 or tags.get(COMPRESSION, 1) not in LOSSLESS:
        return None
    kind = f"{KINDS.get(min(formats, default=1), '?')}{min(bits) / 8:g}"
    is_known = kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
    has_pieces = any(pair[0] in tags and pair[1] in tags for pair in PIECES)
    has_size = min((tags.get(tag, 0) for tag in (WIDTH, HEIGHT)), default=0) > 0
    predictors = (1, HORIZONTAL, FLOATING) if kind[0] == "f" else (1, HORIZONTAL)
    return kind if is_known and has_pieces and has_size and _predictor(tags) in predictors else None


def _predictor(tags: ImageFileDirectory_v2) -> int:
    return int(tags.get(PREDICTOR, 1)) if tags.get(COMPRESSION, 1) in PREDICTED else 1


def _numbers(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    found = tags.get(tag, ())
    return tuple(found) if isinstance(found, tuple) else (found,)


def _values(
    content: bytes, tags: ImageFileDirectory_v2, channels: int, kind: str, pieces: dict[int, Sequence[int]]
) -> NDArray[Any]:
    """The values of `pieces` of the file, shape (H, W, channels)."""
    width, itemsize = tags[WIDTH], int(kind[1:])
    across = tags.get(TILE_WIDTH, width)
    rows = _decoded(content, tags, channels * itemsize, pieces)
    order = "<" if content[:2] == b"II" else ">"
    predictor = _predictor(tags)
    parts = []
    for part in _columns(rows, across * channels * itemsize):
        numbers = part
        if predictor == FLOATING:
            summed = np.cumsum(numbers.reshape(len(part), -1, channels), axis=1, dtype=np.uint8)
            numbers = summed.reshape(len(part), itemsize, -1).swapaxes(1, 2).reshape(len(part), -1)
            order = ">"
        whole = np.ascontiguousarray(numbers).view(f"{order}u{itemsize}").astype(f"u{itemsize}")
        pixels = whole.reshape(len(part), -1, channels)
        if predictor == HORIZONTAL:
            pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
        parts.append(pixels)
    pixels = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if tags.get(PHOTOMETRIC) == 0 and kind[0] == "u":
        pixels = ~pixels  # 0 is white
    return np.ascontiguousarray(pixels[:, :width]).view(kind)


def _columns(rows: NDArray[Any], across: int) -> Iterator[NDArray[Any]]:
    for start in range(0, rows.shape[1], across):
        yield rows[:, start : start + across]


def _decoded(
    content: bytes, tags: ImageFileDirectory_v2, across: int, pieces: dict[int, Sequence[int]]
) -> NDArray[Any]:
    """The bytes of `pieces` of the file, row by row, `across` per pixel; tiles at the edges are complete.

    They are read as a picture of one channel that is `across` times as wide.
    """
    from PIL import TiffImagePlugin

    where, long = pieces.values()
    data = [content[offset : offset + length] for offset, length in zip(where, long, strict=True)]
    starts = [8, *(8 + end for end in itertools.accumulate(map(len, data)))]
    tile = tags.get(TILE_WIDTH, 0)
    width = -(-tags[WIDTH] // tile) * tile if tile else tags[WIDTH]
    changed = {WIDTH: width * across, BITS: 8, PHOTOMETRIC: 1, SAMPLES: 1}
    if tile:
        changed[TILE_WIDTH] = tile * across
    kept = {tag: tags[tag] for tag in KEPT if tag in tags}
    moved = dict(zip(pieces, (tuple(starts[:-1]), tuple(map(len, data))), strict=True))
    end = starts[-1] + starts[-1] % 2
    directory = _directory({**kept, **changed, **moved}, end)
    head = b"II*\0" + struct.pack("<L", end)
    made = b"".join((head, *data, bytes(end - starts[-1]), directory))
    # Not Image.open, which limits pixels; the size has already been checked.
    with TiffImagePlugin.TiffImageFile(io.BytesIO(made)) as image:
        return np.asarray(image)


def _directory(tags: Mapping[int, int | Sequence[int]], start: int) -> bytes:
    """The tags as stored in a file from `start`: 12 bytes each, followed by values that need more."""
    entries, further = b"", b""
    overflow = start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        numbers = (value,) if isinstance(value, int) else tuple(value)
        letter, kind = ("H", 3) if tag in SHORT else ("L", 4)
        packed = struct.pack(f"<{len(numbers)}{letter}", *numbers)
        if len(packed) > 4:
            place = struct.pack("<L", overflow + len(further))
            further += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHL", tag, kind, len(numbers)) + place
    return struct.pack("<H", len(tags)) + entries + bytes(4) + further


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate or mirror pixels according to the Orientation tag."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
