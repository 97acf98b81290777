"""TIFF files of any number of channels, most of which Pillow reads only as pictures of one channel.

A row of W pixels of N channels each is a row of W × N pixels of one: the same data with other tags are a file
that Pillow reads, however they are compressed. So is each channel with tags of its own, where they are stored
one by one.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.runtime.pictures import LARGEST_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

MOST_BYTES = 1 << 30
"""Of a file; its pixels are at most as many as of any picture."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
ORIENTATION, SAMPLES, PLANAR, PREDICTOR, FORMAT = 274, 277, 284, 317, 339
TILE_WIDTH = 322
KEPT = (HEIGHT, COMPRESSION, 266, 278, 323)  # with the order of bits, rows of a strip, and height of a tile
SHORT = frozenset((BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PREDICTOR, FORMAT, 266))
PIECES = ((324, 325), (273, 279))
"""Tags of the offsets and lengths of tiles, and of strips."""

SEPARATE, HORIZONTAL = 2, 2
LOSSLESS = frozenset((1, 5, 8, 32773, 32946, 34925, 50000))
"""Compressions that do not care what the bytes are: none, LZW, Deflate, PackBits, LZMA, Zstandard."""


def read_samples(path: Path, channels: int) -> NDArray[Any] | None:
    """The channels of a TIFF file as they are, shape (H, W, channels).

    Returns
    -------
    ndarray or None
        None where it is no such file, or not with so many channels, or none that can be read in this way.

    Raises
    ------
    OSError, SyntaxError, ValueError, struct.error, …
        As Pillow raises where a file is damaged.
    """
    from PIL import TiffImagePlugin

    with path.open("rb") as file:
        header = file.read(8)
        if len(header) < 8 or header[:4] not in (b"II*\0", b"MM\0*"):
            return None
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
        if channels < 2 or not _fits(tags, channels):
            return None
        file.seek(0)
        content = file.read(MOST_BYTES + 1)
    offsets, lengths = next(pair for pair in PIECES if pair[0] in tags)
    where, long = _numbers(tags, offsets), _numbers(tags, lengths)
    if any(start + length > len(content) for start, length in zip(where, long, strict=True)):
        raise ValueError("image file is truncated")
    if len(content) > MOST_BYTES or sum(long) > len(content):
        raise ValueError(f"larger than {MOST_BYTES:,} bytes, or claims more than it holds")
    if tags[WIDTH] * tags[HEIGHT] * channels > 3 * LARGEST_SIZE:
        raise ValueError(f"{channels} channels of {tags[WIDTH]} × {tags[HEIGHT]} pixels are too many")
    if tags.get(PLANAR, 1) == SEPARATE:
        each = len(where) // channels
        pieces = [slice(each * channel, each * (channel + 1)) for channel in range(channels)]
        planes = [
            _decoded(content, tags, 1, {offsets: where[piece], lengths: long[piece]}) for piece in pieces
        ]
        return np.stack(planes, axis=2)
    wide = _decoded(content, tags, channels, {offsets: where, lengths: long})
    pixels = wide.reshape(wide.shape[0], -1, channels)
    return _summed(pixels, tags) if tags.get(PREDICTOR, 1) == HORIZONTAL else pixels


def _fits(tags: ImageFileDirectory_v2, channels: int) -> bool:
    """Whether it is a picture of so many channels of one type, upright, whose tags can be changed."""
    if tags.get(SAMPLES, 1) != channels or tags.get(ORIENTATION, 1) != 1:
        return False
    alike = all(len(set(_numbers(tags, tag))) <= 1 for tag in (BITS, FORMAT))
    has_pieces = any(pair[0] in tags and pair[1] in tags for pair in PIECES)
    predictors = (1, HORIZONTAL, 3) if tags.get(PLANAR, 1) == SEPARATE else (1, HORIZONTAL)
    return (
        alike
        and has_pieces
        and tags.get(COMPRESSION, 1) in LOSSLESS
        and tags.get(PREDICTOR, 1) in predictors
        and _numbers(tags, BITS)[:1] in ((8,), (16,), (32,))
    )


def _numbers(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    found = tags.get(tag, ())
    return tuple(found) if isinstance(found, tuple) else (found,)


def _decoded(
    content: bytes, tags: ImageFileDirectory_v2, channels: int, pieces: dict[int, Sequence[int]]
) -> NDArray[Any]:
    """The values of `pieces` of the file as a picture of one channel, `channels` times as wide."""
    from PIL import Image

    where, long = pieces.values()
    data = [content[offset : offset + length] for offset, length in zip(where, long, strict=True)]
    starts = [8, *(8 + end for end in itertools.accumulate(map(len, data)))]
    changed = {WIDTH: tags[WIDTH] * channels, BITS: _numbers(tags, BITS)[0], PHOTOMETRIC: 1, SAMPLES: 1}
    if TILE_WIDTH in tags:
        changed[TILE_WIDTH] = tags[TILE_WIDTH] * channels
    if FORMAT in tags:
        changed[FORMAT] = _numbers(tags, FORMAT)[0]
    # Pillow swaps the bytes of signed numbers that it decompresses once too often; of others it does not.
    is_signed = changed.get(FORMAT) == 2 and changed[BITS] == 16
    if is_signed:
        changed[FORMAT] = 1
    if channels == 1 and PREDICTOR in tags:
        changed[PREDICTOR] = tags[PREDICTOR]
    kept = {tag: tags[tag] for tag in KEPT if tag in tags}
    moved = dict(zip(pieces, (tuple(starts[:-1]), tuple(map(len, data))), strict=True))
    end = starts[-1] + starts[-1] % 2
    order = "<" if content[:2] == b"II" else ">"
    head = content[:4] + struct.pack(order + "L", end)
    directory = _directory({**kept, **changed, **moved}, order, end)
    made = b"".join((head, *data, bytes(end - starts[-1]), directory))
    with Image.open(io.BytesIO(made), formats=["TIFF"]) as image:
        values = np.asarray(image)
    return values.astype(np.uint16).view(np.int16) if is_signed else values


def _directory(tags: Mapping[int, int | Sequence[int]], order: str, start: int) -> bytes:
    """The tags as they stand in a file from `start` on: 12 bytes each, and behind them what needs more."""
    entries, further = b"", b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        numbers = (value,) if isinstance(value, int) else tuple(value)
        letter, kind = ("H", 3) if tag in SHORT else ("L", 4)
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(packed) > 4:
            place = struct.pack(order + "L", behind + len(further))
            further += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(order + "HHL", tag, kind, len(numbers)) + place
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + further


def _summed(pixels: NDArray[Any], tags: ImageFileDirectory_v2) -> NDArray[Any]:
    """Pixels of which each was stored as the difference from the one at its left, within a tile or a row."""
    width = pixels.shape[1]
    across = int(tags.get(TILE_WIDTH, width))
    parts = [pixels[:, start : start + across] for start in range(0, width, across)]
    return np.concatenate([np.cumsum(part, axis=1, dtype=pixels.dtype) for part in parts], axis=1)
