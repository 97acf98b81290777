"""Numbers as protobuf writes them, seven bits a byte, the lowest first."""

from __future__ import annotations

import mmap

LONGEST = 10
"""Bytes of a number of 64 bits."""


def varint(data: bytes | mmap.mmap, place: int) -> tuple[int, int]:
    """The number at a place, and where it ends; raises ValueError where there is none."""
    value = 0
    for shift, byte in enumerate(data[place : place + LONGEST]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, place + shift + 1
    raise ValueError("no number of protobuf")
