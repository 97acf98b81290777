"""Find pictures again by their content, wherever they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import FilterkitError
from filterkit.hashing import is_plain
from filterkit.image_sources.decoding import decoded_ahead
from filterkit.image_sources.files import MOST_BYTES, read_file
from filterkit.image_sources.zip_members import ZipMembers, archive_of
from filterkit.records import SourceImage

if TYPE_CHECKING:
    from filterkit.records import ImageContent


def content_hash(content: ImageContent) -> str:
    """SHA-256 of the bytes of a file, or of arrays with their types and shapes."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    arrays = content if isinstance(content, Mapping) else {"": content}
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


MOST_ARCHIVES = 16
"""Limit on the archives that are opened because a catalog names them; more are given with ``zip:``."""


class PicturesByHash:
    """Pictures by the hash of their content.

    Parameters
    ----------
    elsewhere
        Where to look for pictures that are no longer at their path; hashed when the first one is missing.
    kept
        Copies of pictures, by their hash; tried before that.
    """

    def __init__(self, elsewhere: Sequence[SourceImage] = (), kept: Mapping[str, Path] | None = None) -> None:
        self._elsewhere, self._kept = list(elsewhere), kept or {}
        self._by_hash: dict[str, SourceImage] | None = None
        self._archives: dict[Path, dict[str, SourceImage]] = {}
        self._lock = Lock()
        self._hashes: dict[Path, str] = {}
        """Of files that were read, so that none is read again for another hash."""

    def find(self, path: str, sha256: str) -> ImageContent | None:
        """The content of the picture with that hash, or None.

        Parameters
        ----------
        path
            Where it was, a file or ``ARCHIVE.zip!MEMBER``; untrusted, so only a plain file or part of it is
            taken from there, and only if it has this very content.
        """
        for place in filter(None, (Path(path), self._kept.get(sha256))):
            with suppress(FilterkitError, OSError, ValueError):
                if self._hashes.get(place, sha256) == sha256 and _has_size_of_picture(place):
                    found = read_file(place)
                    self._hashes[place] = content_hash(found)
                    if self._hashes[place] == sha256:
                        return found
        for find in (partial(self._member, path), partial(self._indexed, sha256)):
            with suppress(FilterkitError, OSError, ValueError):
                there = find()
                if there is not None and content_hash(content := there.read()) == sha256:
                    return content
        return None

    def _member(self, name: str) -> SourceImage | None:
        """The picture in an archive that an observation calls by this name."""
        found = archive_of(name)
        if found is None:
            return None
        archive = found[0]
        with self._lock:
            if archive not in self._archives:
                if len(self._archives) >= MOST_ARCHIVES:
                    return None
                self._archives[archive] = {}
                with suppress(FilterkitError):
                    self._archives[archive] = {
                        image.name: image for image in ZipMembers().images(str(archive))
                    }
            return self._archives[archive].get(name)

    def _indexed(self, sha256: str) -> SourceImage | None:
        return self._index().get(sha256)

    def _index(self) -> dict[str, SourceImage]:
        if self._by_hash is None:
            hashed = decoded_ahead(self._elsewhere, lambda each: content_hash(each.read()))
            self._by_hash = {result: image for image, result in hashed if isinstance(result, str)}
        return self._by_hash


def _has_size_of_picture(path: Path) -> bool:
    """Whether this is a plain file that may be a picture; the system has some of 0 bytes that block."""
    return is_plain(path) and 0 < path.stat().st_size <= MOST_BYTES
