"""Optimized pictures that are kept in the store, so that none is computed twice.

::

    catalog.store/visualizations/<model's sha256>/<hash of the request>.bin

A file is the SHA-256 of the rest, in hexadecimal, and arrays in the format of safetensors. A store may be
untrusted: a file is used only if it has the expected form and the hash that it states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.atomic_writes import write_file
from filterkit.hashing import is_plain

if TYPE_CHECKING:
    from filterkit.catalog.store import Store
    from filterkit.records import FloatArray

VERSION = 1
"""Incremented whenever the same request gives another picture."""

NUMBERS = 4
HEADER = 4096
"""Limit on the bytes of a file besides its arrays."""

LARGEST = 2**26
"""Bytes above which a picture is not kept."""


class Kept(NamedTuple):
    """A picture, shape (channels, height, width), its responses (see `Ascent`), and seconds."""

    picture: FloatArray
    start: float
    best: float
    last: float
    seconds: float


def path_of(store: Store, sha256: str, request: Mapping[str, Any]) -> Path:
    """The file for a request: everything that the picture depends on besides the model."""
    text = json.dumps([VERSION, request], sort_keys=True)
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.bin"
    return store.visualizations_path(sha256, name)


def read(path: Path, channels: int, size: tuple[int, int] | None = None) -> Kept | None:
    """What a file has; None if there is none, it is corrupted, or of another size."""
    with suppress(Exception):  # depending on what is wrong with it
        if is_plain(path) and path.stat().st_size <= LARGEST + HEADER:
            found = _parsed(path.read_bytes())
            if len(found.picture) == channels and size in (None, found.picture.shape[1:]):
                return found
    return None


def _parsed(content: bytes) -> Kept:
    """Raise an exception of any kind if the content is not what `write` writes."""
    import numpy as np
    from safetensors.numpy import load

    stated, content = content[:64], content[64:]
    if hashlib.sha256(content).hexdigest().encode() != stated:
        raise ValueError("another hash")
    arrays = load(content)
    picture, numbers = arrays["picture"], arrays["numbers"]
    if picture.dtype != np.float32 or picture.ndim != 3 or not picture.size or numbers.shape != (NUMBERS,):
        raise ValueError("other arrays")
    if not np.isfinite(picture).all() or picture.min() < 0 or picture.max() > 1:
        raise ValueError("no picture")
    if not np.isfinite(numbers).all():
        raise ValueError("no numbers")
    return Kept(picture, *map(float, numbers))


def write(path: Path, kept: Kept) -> None:
    """Keep a picture; a store that cannot be written keeps none.

    A pipe or device in its place is not opened, which may block.
    """
    import numpy as np
    from safetensors.numpy import save

    if kept.picture.nbytes > LARGEST or (path.exists() and not is_plain(path)):
        return
    arrays = {"picture": np.ascontiguousarray(kept.picture), "numbers": np.array(kept[1:], np.float64)}
    content = save(arrays)
    with suppress(OSError):
        write_file(path, hashlib.sha256(content).hexdigest().encode() + content)


def intact(path: Path) -> bytes | None:
    """The content of a file, if it is what `write` writes."""
    with suppress(Exception):  # depending on what is wrong with it
        if is_plain(path) and path.stat().st_size <= LARGEST + HEADER:
            content = path.read_bytes()
            _parsed(content)
            return content
    return None


def corrupted(store: Store, sha256: str) -> Iterator[Path]:
    """The files of a model that are not intact."""
    return (path for path in store.visualizations(sha256) if intact(path) is None)
