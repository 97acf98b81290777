"""Find pictures again by their content, wherever they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import FilterkitError
from filterkit.hashing import is_plain
from filterkit.image_sources.decoding import decoded_ahead
from filterkit.image_sources.files import MOST_BYTES, read_file
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
        self._hashes: dict[Path, str] = {}
        """Of files that were read, so that none is read again for another hash."""

    def find(self, path: str, sha256: str) -> ImageContent | None:
        """The content of the picture with that hash, or None.

        Parameters
        ----------
        path
            Where it was; untrusted, so that only a plain file of this very content is taken from there.
        """
        for place in filter(None, (Path(path), self._kept.get(sha256))):
            with suppress(FilterkitError, OSError, ValueError):
                if self._hashes.get(place, sha256) == sha256 and _has_size_of_picture(place):
                    found = read_file(place)
                    self._hashes[place] = content_hash(found)
                    if self._hashes[place] == sha256:
                        return found
        with suppress(FilterkitError):
            there = self._index().get(sha256)
            if there is not None and content_hash(content := there.read()) == sha256:
                return content
        return None

    def _index(self) -> dict[str, SourceImage]:
        if self._by_hash is None:
            hashed = decoded_ahead(self._elsewhere, lambda each: content_hash(each.read()))
            self._by_hash = {result: image for image, result in hashed if isinstance(result, str)}
        return self._by_hash


def _has_size_of_picture(path: Path) -> bool:
    """Whether this is a plain file that may be a picture; the system has some of 0 bytes that block."""
    return is_plain(path) and 0 < path.stat().st_size <= MOST_BYTES
