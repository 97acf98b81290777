"""Ways to damage the bytes and pages of a catalog's file."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from fuzz_scene import Scene


def spoil(scene: Scene, draw: random.Random) -> str:
    """Damage the file as a disk may, or as somebody would who knows its format."""
    data = bytearray(scene.catalog.read_bytes())
    size = struct.unpack_from(">H", data, 16)[0] or 4096
    said = [draw.choice(BYTES)(data, size, draw) for _ in range(draw.choice((1, 1, 2, 5)))]
    scene.catalog.write_bytes(data)
    return "; ".join(said)


def _flip(data: bytearray, size: int, draw: random.Random) -> str:
    place = draw.randrange(len(data)) if data else 0
    for where in range(place, min(place + draw.choice((1, 1, 4, 100)), len(data))):
        data[where] = draw.choice((0, 0xFF, 0x7F, draw.randrange(256)))
    return f"bytes from {place}"


def _cut(data: bytearray, size: int, draw: random.Random) -> str:
    place = draw.choice((0, 1, 50, 100, size, size + 1, draw.randrange(len(data) + 1)))
    del data[place:]
    return f"cut at {place}"


def _page(data: bytearray, size: int, draw: random.Random) -> str:
    first, second = (draw.randrange(max(len(data) // size, 1)) * size for _ in range(2))
    what = draw.choice((bytes(size), draw.randbytes(size), bytes(data[second : second + size])))
    data[first : first + size] = what
    return f"page at {first}"


def _header(data: bytearray, size: int, draw: random.Random) -> str:
    places = {16: ">H", 18: "B", 19: "B", 20: "B", 21: "B", 28: ">I", 32: ">I", 36: ">I", 40: ">I", 44: ">I"}
    places |= {52: ">I", 56: ">I", 60: ">I", 64: ">I", 92: ">I", 96: ">I"}
    place = draw.choice(list(places))
    form = places[place]
    value = draw.choice((0, 1, 2, 3, 4, 5, 255, 512, 65535, 2**31, 2**32 - 1)) & (
        256 ** struct.calcsize(form) - 1
    )
    if len(data) >= 100:
        struct.pack_into(form, data, place, value)
    return f"header at {place} = {value}"


def _tree(data: bytearray, size: int, draw: random.Random) -> str:
    """Pages that lead to each other, to themselves, or many times to the same one."""
    pages = len(data) // size
    if pages < 4:
        return "nothing"
    chosen = draw.sample(range(2, pages + 1), min(draw.choice((1, 2, 3, 8)), pages - 1))
    kind = draw.choice((2, 5))
    for number, page in enumerate(chosen):
        child = draw.choice((page, chosen[(number + 1) % len(chosen)], draw.randrange(1, pages + 1)))
        start = (page - 1) * size
        count = draw.choice((1, 3, 200, 400))
        content = bytearray(size)
        at = size
        cells = []
        for key in range(count):
            cell = struct.pack(">I", child) + (b"\x03\x02\x01\x01" if kind == 2 else bytes([key & 0x7F]))
            if at - len(cell) < 12 + 2 * count:
                break
            at -= len(cell)
            content[at : at + len(cell)] = cell
            cells.append(at)
        struct.pack_into(">BHHHBI", content, 0, kind, 0, len(cells), at, 0, child)
        struct.pack_into(f">{len(cells)}H", content, 12, *cells)
        data[start : start + size] = content
    return f"pages {chosen} in a circle"


def _freelist(data: bytearray, size: int, draw: random.Random) -> str:
    pages = len(data) // size
    if pages < 3:
        return "nothing"
    page = draw.randrange(2, pages + 1)
    struct.pack_into(">II", data, 32, page, draw.choice((1, 5, 2**31)))
    leaves = draw.choice((0, 3, size // 4, 2**31))
    struct.pack_into(">II", data, (page - 1) * size, draw.choice((page, 0, 2**31)), leaves)
    return f"freelist at page {page}"


BYTES: tuple[Callable[[bytearray, int, random.Random], str], ...] = (
    *(_flip, _flip, _flip, _cut, _page, _page, _header, _header, _tree, _tree, _freelist),
)
