"""Untrusted zip archives: the size of the central directory is checked before it is parsed."""

from __future__ import annotations

import zipfile
from pathlib import Path

_END = b"PK\x05\x06"
_END_LENGTH = 22
_LARGE_LOCATOR, _LARGE_LOCATOR_LENGTH = b"PK\x06\x07", 20
_LARGE_END, _LARGE_END_LENGTH = b"PK\x06\x06", 56
_LONGEST_COMMENT = 1 << 16

PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods of wheels and NumPy archives; others let the archive decide how much memory is used."""


def open_zip(path: Path, most: int, *, any_method: bool = False) -> zipfile.ZipFile:
    """Open an archive for reading.

    Parameters
    ----------
    most
        Maximum size of the central directory in bytes. `zipfile` turns every 46 of them into an object
        of several hundred bytes.
    any_method
        Also open an archive with members in a rare compression method, which must not be read.

    Raises
    ------
    zipfile.BadZipFile
        If it is not a zip archive, its central directory is larger, or it uses a rare compression method.
    OSError
        If the file cannot be read.
    """
    length = _directory_size(path)
    if length > most:
        raise zipfile.BadZipFile(f"its central directory has {length:,} bytes; the limit is {most:,}")
    archive = zipfile.ZipFile(path)
    if not any_method and any(info.compress_type not in PLAIN for info in archive.infolist()):
        archive.close()
        raise zipfile.BadZipFile("it uses an unsupported compression method")
    return archive


def _directory_size(path: Path) -> int:
    """Size of the central directory as stated in the end record that `zipfile` reads; 0 without a record."""
    room = _LONGEST_COMMENT + _END_LENGTH + _LARGE_LOCATOR_LENGTH + _LARGE_END_LENGTH
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - room, 0))
        tail = file.read()
    stated = 0
    for place in (len(tail) - _END_LENGTH, tail.rfind(_END)):  # the last match may be part of a comment
        if place < 0 or not tail.startswith(_END, place):
            continue
        length = int.from_bytes(tail[place + 12 : place + 16], "little")
        locator = place - _LARGE_LOCATOR_LENGTH
        large = locator - _LARGE_END_LENGTH
        if large >= 0 and tail.startswith(_LARGE_LOCATOR, locator) and tail.startswith(_LARGE_END, large):
            length = int.from_bytes(tail[large + 40 : large + 48], "little")
        stated = max(stated, length)
    return stated
