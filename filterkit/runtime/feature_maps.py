"""Cut networks at the wanted tensors, cache the excerpts on disk, and keep networks open for reuse."""

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

from filterkit.errors import ModelError, UsageError
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.excerpt import Excerpt, excerpt
from filterkit.graph.excerpt.external_data import refer
from filterkit.graph.loading.load import load_model
from filterkit.graph.loading.tensors import check_tensor
from filterkit.graph.view.walk import every_tensor
from filterkit.hashing import is_plain
from filterkit.records import DEFAULT_RUN, RunOptions
from filterkit.runtime.network import Network, Size, Target
from filterkit.runtime.network_cache import OpenNetworks
from filterkit.runtime.providers import choose

__all__ = ["Network", "Size", "Target", "open_network"]


def open_network(
    model: Path | onnx.ModelProto,
    targets: Sequence[Target],
    *,
    picture_input: str | None = None,
    layout: str | None = None,
    options: RunOptions = DEFAULT_RUN,
    cache_dir: Path | None = None,
    opened: OpenNetworks | None = None,
) -> Network:
    """Cut a network at the wanted tensors and open it, or reuse an open one.

    Parameters
    ----------
    model
        An ONNX file (external data beside it), or a model in memory.
    targets
        Tensors to expose. Everything after the deepest of them is cut off. Targets in the body of a Loop or
        Scan are left out.
    picture_input, layout
        The input for pictures and its axes; its batch size and picture size are freed where the graph allows.
        None if the network does not take pictures.
    options
        The provider (``"auto"``, ``"cpu"`` or ``"cuda"``), and the threads per operator.
    cache_dir
        Folder in which excerpts of this file are cached across processes; its content must then never change.
    opened
        Networks that are open already, among which this one is looked up and kept; None always opens it.

    Raises
    ------
    NotFoundError
        If a target is not a tensor of the graph.
    ModelError
        If the file cannot be read.
    RuntimeFailure
        If ONNX Runtime rejects the model, or cannot run it on this provider, or no target can be run.
    UsageError
        If there are no targets, or the provider is unknown.
    """
    if not targets:
        raise UsageError("no layer selected")
    wanted = [target.wanted for target in targets]
    if isinstance(model, onnx.ModelProto):
        part = excerpt(model, wanted, picture_input=picture_input, layout=layout)
        return Network(part, targets, picture_input=picture_input, options=options, folder=None)
    path = model.resolve()
    key = (
        path,
        _version(path),
        tuple(targets),
        picture_input,
        layout,
        choose(options.provider).name,
        options.threads,
    )
    found: Network | None = None if opened is None else opened.find(key)
    if found is None:
        part = excerpt_of(path, wanted, picture_input=picture_input, layout=layout, cache_dir=cache_dir)
        found = Network(part, targets, picture_input=picture_input, options=options, folder=path.parent)
        if opened is not None:
            opened.add(key, found)
    return found


def _version(path: Path) -> tuple[int, int]:
    """Size and time of the file, to detect changes."""
    try:
        found = path.stat()
    except OSError as error:
        raise ModelError(f"cannot read model file {path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


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
