"""An atlas drawn kernel by kernel, as an oracle, and banks of many kinds."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.web.atlas.shelves import LayerShape, Layout, arrange

SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "pictures": ((16, 3, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3)),
    "7x7 and 1x1": ((64, 3, 7, 7), (64, 64, 1, 1), (256, 64, 1, 1), (10, 256, 1, 1)),
    "1-D": ((16, 1, 80), (32, 16, 3), (64, 32, 3)),
    "3-D": ((8, 3, 3, 3, 3), (16, 8, 3, 3, 3), (16, 16, 1, 3, 3)),
    "depthwise": ((32, 3, 3, 3), (32, 1, 3, 3), (64, 32, 1, 1), (64, 1, 5, 5)),
    "odd": ((1, 1, 3, 3), (7, 509, 3, 3), (13, 1, 2, 5), (3, 11, 1, 1), (1, 130, 3, 1)),
    "one": ((1, 1, 1, 1),),
}


def layout_of(shapes: Sequence[Sequence[int]]) -> Layout:
    return arrange(tuple(LayerShape.of(shape) for shape in shapes))


def banks_of(shapes: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(len(shapes))
    return [rng.normal(0, 0.1 + number, shape).astype(np.float32) for number, shape in enumerate(shapes)]


def shade(weight: float, scale: float) -> int:
    """As the documentation has it."""
    return int(128 + np.rint(127 * np.clip(weight / scale, -1, 1)))


def drawn(layout: Layout, banks: Sequence[NDArray[Any]], scales: Sequence[float]) -> NDArray[np.uint8]:
    """The whole picture, one kernel after the other."""
    picture = np.zeros((layout.height, layout.width), np.uint8)
    for layer, bank, scale in zip(layout.layers, banks, scales, strict=True):
        for slot, weights in enumerate(bank):
            for kernel, values in enumerate(weights):
                x, y, width, height = layer.place(slot, kernel)
                slices = values.reshape(-1, *(1, *values.shape)[-2:])
                lines = np.full((height, width), np.nan)
                for number, matrix in enumerate(slices):
                    left = number * (matrix.shape[1] + 1)
                    lines[:, left : left + matrix.shape[1]] = matrix
                shades = np.rint(np.clip(lines / np.float32(scale), -1, 1) * 127) + 128
                picture[y : y + height, x : x + width] = np.nan_to_num(shades, nan=0)
    return picture


def halved(picture: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Means of squares of pixels, without those that are 0."""
    side = 2**times
    height, width = (-(-each // side) for each in picture.shape)
    padded = np.zeros((height * side, width * side))
    padded[: picture.shape[0], : picture.shape[1]] = picture
    squares = padded.reshape(height, side, width, side).swapaxes(1, 2).reshape(height, width, -1)
    count = (squares > 0).sum(axis=2)
    return np.where(count, np.floor(squares.sum(axis=2) / np.maximum(count, 1) + 0.5), 0).astype(np.uint8)


def shades_in(png: bytes) -> NDArray[np.uint8]:
    """The indices of the colours of a PNG with a palette, read without a library of pictures."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        chunks[name] = png[place + 8 : place + 8 + length]
        [stated] = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert zlib.crc32(name + chunks[name]) == stated
        place += 12 + length
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, kind, len(chunks[b"PLTE"])) == (8, 3, 768)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()  # no filters
    return lines[:, 1:]
