"""Excerpts of networks, cached on disk across processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import onnx

from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.excerpt import Excerpt, excerpt
from filterkit.graph.excerpt.external_data import refer
from filterkit.graph.loading.load import load_model
from filterkit.graph.loading.tensors import check_tensor
from filterkit.graph.view.walk import every_tensor
from filterkit.hashing import is_plain

CACHE_VERSION = 2
"""Incremented whenever `excerpt` produces a different result for the same model."""

LARGEST = 2**18
"""Maximum size of a cached excerpt in bytes; larger ones, which contain weights, are recomputed."""

WRITTEN = re.compile(r"[0-9a-f]{32}\.(onnx|part)")
"""Names of cache files; no other files are deleted."""

MOST = 32
"""Maximum number of cached excerpts per model; the least recently used are evicted."""


def excerpt_of(
    path: Path,
    wanted: Sequence[Wanted],
    *,
    picture_input: str | None,
    layout: str | None,
    cache_dir: Path | None,
) -> Excerpt:
    """The part of an ONNX file that computes the `wanted` tensors; its weights stay in that file.

    Parameters
    ----------
    path
        The file. With `cache_dir`, its content must never change.
    picture_input, layout
        See `filterkit.graph.excerpt.excerpt`.
    cache_dir
        Folder of cached excerpts of this file, or None. Unreadable entries are recomputed; write errors are
        ignored.

    Raises
    ------
    FilterkitError
        See `load_model` and `excerpt`.
    """
    file = None if cache_dir is None else cache_dir / f"{_key(wanted, picture_input, layout)}.onnx"
    found = None if file is None else _read(file, path)
    if found is not None:
        return found
    part = excerpt(load_model(path), wanted, picture_input=picture_input, layout=layout)
    refer(part.model, path)
    if file is not None and part.model.ByteSize() <= LARGEST:
        with suppress(OSError):
            _write(file, part.to_bytes())
    return part


def _key(wanted: Sequence[Wanted], picture_input: str | None, layout: str | None) -> str:
    request = [CACHE_VERSION, onnx.__version__, sorted(set(wanted)), picture_input, layout]
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()[:32]


def _read(file: Path, model: Path) -> Excerpt | None:
    try:
        if not is_plain(file) or file.stat().st_size > 2 * LARGEST:
            return None
        part = Excerpt.from_bytes(file.read_bytes())
        for tensor in every_tensor(part.model):
            check_tensor(tensor, model)
        os.utime(file)
    except Exception:  # missing or corrupted: recompute it
        return None
    return part


def _write(file: Path, content: bytes) -> None:
    """Write atomically, and evict the least recently used excerpts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Leave other files alone.
    cached = (other for other in file.parent.iterdir() if WRITTEN.fullmatch(other.name) and is_plain(other))
    others = sorted(cached, key=lambda other: other.stat().st_mtime)
    for other in others[: max(len(others) + 1 - MOST, 0)]:
        other.unlink(missing_ok=True)
    staged = file.with_name(f"{uuid.uuid4().hex}.part")  # leftovers of interrupted processes are evicted, too
    try:
        with staged.open("xb") as new:
            new.write(content)
        staged.replace(file)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
