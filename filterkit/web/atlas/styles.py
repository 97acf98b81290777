"""How an atlas is drawn and sorted, as text in the URL of a tile, and the colours of its shades.

A style is ``weights``, ``signs``, ``magnitudes`` or ``metric.COLUMN``, and if the filters of each layer are
sorted, ``.up.COLUMN`` or ``.down.COLUMN`` after it.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from filterkit.errors import NotFoundError
from filterkit.web.atlas.raster import Shades

NAME = r"[A-Za-z0-9_]{1,64}"
STYLE = re.compile(
    rf"(weights|signs|magnitudes|metric\.(?P<metric>{NAME}))(\.(?P<order>up|down)\.(?P<sort>{NAME}))?"
)

DARK = (21, 24, 28)
CIVIDIS = (
    *((0, 34, 78), (18, 53, 112), (59, 73, 108), (95, 100, 111), (124, 123, 120), (152, 146, 119)),
    *((187, 173, 108), (221, 201, 88), (254, 232, 56)),
)
LOOKS = {
    "weights": ((48, 80, 110), ((1, 1, 1), (255, 255, 255))),
    "signs": (DARK, ((8, 38, 112), (42, 92, 168), (134, 134, 134), (222, 178, 92), (255, 244, 186))),
    "magnitudes": (DARK, CIVIDIS),
    "metric": (DARK, CIVIDIS),
}
"""The colour of gaps, and colours from the first shade to the last; the others are in between.

All become lighter from the first shade to the last, so that hue is never all that tells them apart; the last
ones are cividis, which looks the same with and without colour blindness.
"""


@dataclass(frozen=True)
class Style:
    """What is drawn, and in which order.

    Attributes
    ----------
    look
        ``weights`` (gray), ``signs`` (the same in blue and yellow), ``magnitudes`` or ``metric``.
    metric
        The column whose value colours each filter; only with the look ``metric``.
    sort
        The column by which the filters of each layer are sorted, descending with ``-`` before it.
    """

    look: str = "weights"
    metric: str | None = None
    sort: str | None = None

    @classmethod
    def parse(cls, text: str) -> Style:
        """The style that a text names; raises NotFoundError if it is none."""
        found = STYLE.fullmatch(text)
        if found is None:
            raise NotFoundError("there is no such style of an atlas")
        look, sort = found[1].partition(".")[0], found["sort"]
        return cls(look, found["metric"], f"-{sort}" if found["order"] == "down" else sort)

    def __str__(self) -> str:
        order = (
            "" if self.sort is None else f".{'down' if self.sort[0] == '-' else 'up'}.{self.sort.lstrip('-')}"
        )
        return f"{self.look}{f'.{self.metric}' if self.metric else ''}{order}"

    def palette(self) -> bytes:
        """Red, green and blue of each shade."""
        gap, colours = LOOKS[self.look]
        places = np.linspace(1, 255, len(colours))
        channels = (np.interp(np.arange(256), places, channel) for channel in zip(*colours, strict=True))
        table: Shades = np.rint(np.stack([*channels], axis=1)).astype(np.uint8)
        table[0] = gap
        return table.tobytes()


def png(shades: Shades, palette: bytes) -> bytes:
    """A picture of shades; weights hardly become smaller, so it is made as fast as possible."""
    height, width = shades.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each begins with the number of its filter: none
    lines[:, 1:] = shades
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 8, zlib.Z_RLE)
    data = packer.compress(lines.data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
