"""Zip archives from strangers: how much there is to a table of contents is looked at before it is read."""

from __future__ import annotations

import zipfile
from pathlib import Path

_END = b"PK\x05\x06"
_END_LENGTH = 22
_LARGE_LOCATOR, _LARGE_LOCATOR_LENGTH = b"PK\x06\x07", 20
_LARGE_END, _LARGE_END_LENGTH = b"PK\x06\x06", 56
_LONGEST_COMMENT = 1 << 16

PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members of wheels and of numpy's archives are packed; other ways state what memory they want."""


def open_zip(path: Path, most: int) -> zipfile.ZipFile:
    """Open an archive for reading.

    Parameters
    ----------
    most
        Bytes that the table of contents may have. Python makes an object of some hundred bytes of every 46.

    Raises
    ------
    zipfile.BadZipFile
        It is no archive, has a longer table of contents, or holds members that are packed in a rare way.
    OSError
        It cannot be read.
    """
    length = _length_of_contents(path)
    if length > most:
        raise zipfile.BadZipFile(f"its table of contents has {length:,} bytes, more than {most:,}")
    archive = zipfile.ZipFile(path)
    if any(info.compress_type not in PLAIN for info in archive.infolist()):
        archive.close()
        raise zipfile.BadZipFile("it is packed in another way than as zip archives commonly are")
    return archive


def _length_of_contents(path: Path) -> int:
    """As the end of the archive states it, and as `zipfile` will believe it; 0 where there is no such end."""
    room = _LONGEST_COMMENT + _END_LENGTH + _LARGE_LOCATOR_LENGTH + _LARGE_END_LENGTH
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - room, 0))
        tail = file.read()
    stated = 0
    for place in (len(tail) - _END_LENGTH, tail.rfind(_END)):  # the last one may stand in a comment
        if place < 0 or not tail.startswith(_END, place):
            continue
        length = int.from_bytes(tail[place + 12 : place + 16], "little")
        locator = place - _LARGE_LOCATOR_LENGTH
        large = locator - _LARGE_END_LENGTH
        if large >= 0 and tail.startswith(_LARGE_LOCATOR, locator) and tail.startswith(_LARGE_END, large):
            length = int.from_bytes(tail[large + 40 : large + 48], "little")
        stated = max(stated, length)
    return stated
