"""Pictures in zip archives, which are read without being extracted."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock

from filterkit.errors import ImageError, one_line
from filterkit.hashing import is_plain
from filterkit.image_sources.files import (
    MOST_BYTES,
    labels,
    named_file,
    pictures_among,
    too_large,
    unreadable_image,
)
from filterkit.records import SourceImage
from filterkit.sources.archives import PLAIN, open_zip

LONGEST_DIRECTORY = 1 << 28
"""Maximum size in bytes of the central directory, which has about 100 per picture."""

LONGEST_NAME = 1024
"""Maximum number of characters of a member's name."""

SMALL, DENSEST = 1 << 26, 100
"""A picture may unpack to `SMALL` bytes, or `DENSEST` times its size in the archive if that is more."""

ENCRYPTED = 1
"""A bit of a member's flags."""

FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, struct.error)
"""Exceptions raised for damaged archives."""

OF_MACOS = "__MACOSX"
"""A folder with resource forks, which have the names of the files that they belong to."""


class ZipMembers:
    """The pictures in a zip archive, in all of its folders. Nothing is extracted."""

    def images(self, spec: str) -> Iterator[SourceImage]:
        """See `ImageSource.images`.

        Raises
        ------
        ImageError
            The file does not exist, is not a zip archive, or contains no pictures.
        """
        path = named_file(spec, "zip")
        if not path.is_file():
            raise ImageError(f"{path} is not a file", hint="zip: takes a zip archive of picture files")
        try:
            archive = open_zip(path, LONGEST_DIRECTORY, any_method=True)
        except FAULTS as error:
            raise ImageError(f"cannot read {path} as a zip archive: {_reason(error)}") from error
        opened = _Archive(path, archive)
        members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        unnamed = 0
        for info in archive.infolist():
            if len(info.filename) > LONGEST_NAME:
                unnamed += 1
            elif not info.is_dir():  # of equal names the last counts, as where an archive was updated
                members[PurePosixPath(info.filename.replace("\\", "/"))] = info
        found = pictures_among(place for place in members if OF_MACOS not in place.parts[:1])
        if not found:
            raise ImageError(f"{path} contains no pictures", hint="give a zip archive of picture files")
        below = [tuple(part for part in place.parts if part not in ("/", "..")) for place in found]
        for place, label in zip(found, labels(below), strict=True):
            info = members[place]
            name = f"{path}!{info.filename}"
            yield SourceImage(name, partial(opened.read, info, name), label)
        if unnamed:
            message = f"{path} has members with names of more than {LONGEST_NAME:,} characters"
            yield unreadable_image(f"{path}!({unnamed:,} with long names)", ImageError(message))


def archive_of(name: str) -> tuple[Path, str] | None:
    """The archive in the name of a picture, ``ARCHIVE.zip!MEMBER``, and the rest from ``!`` on.

    None if there is no such plain file.
    """
    for end, letter in enumerate(name[:LONGEST_PLACE]):
        if letter == "!" and name[:end].lower().endswith(".zip") and is_plain(Path(name[:end])):
            return Path(name[:end]), name[end:]
    return None


LONGEST_PLACE = 4096
"""Characters of a name among which an archive is looked for."""


@dataclass(frozen=True)
class _Archive:
    """An open archive. One member is read at a time, as counting them in `zipfile` is not thread-safe."""

    path: Path
    archive: zipfile.ZipFile
    lock: Lock = field(default_factory=Lock)

    def read(self, info: zipfile.ZipInfo, name: str) -> bytes:
        """The content of a member; the size that it declares is not relied on. Raises ImageError."""
        if info.flag_bits & ENCRYPTED:
            raise ImageError(f"{name} is encrypted", hint="unpack the archive with its password")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ImageError(f"{name} is a link", hint="links in archives are not followed")
        if info.compress_type not in PLAIN:
            raise ImageError(f"{name} uses an unsupported compression method", hint="Deflate is supported")
        size = min(info.compress_size, self.path.stat().st_size)
        most = min(max(SMALL, DENSEST * size), MOST_BYTES)
        try:
            with self.lock, self.archive.open(info) as file:
                content = file.read(most + 1)
        except FAULTS as error:
            raise ImageError(f"cannot read {name}: {_reason(error)}", hint="it may be damaged") from error
        if len(content) <= most:
            return content
        if most == MOST_BYTES:
            raise too_large(name)
        raise ImageError(
            f"{name} has {size:,} bytes and unpacks to more than {most:,}", hint="give the unpacked file"
        )


def _reason(error: Exception) -> str:
    return one_line(" ".join(str(error).split())) or type(error).__name__
