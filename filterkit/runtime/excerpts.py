"""Parts of networks, cut once and kept in a folder for the next process."""

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

MAKING = 2
"""Goes up whenever `excerpt` makes something else of the same model than before."""

LARGEST = 2**18
"""Bytes. A part that holds more weights itself is cut again instead of being copied for every address."""

WRITTEN = re.compile(r"[0-9a-f]{32}\.(onnx|part)")
"""Names that are written there; no others are deleted."""

MOST = 32
"""Parts kept of one model: the last ones asked for."""


def excerpt_of(
    path: Path,
    wanted: Sequence[Wanted],
    *,
    picture_input: str | None,
    layout: str | None,
    kept: Path | None,
) -> Excerpt:
    """The part of an ONNX file that makes the `wanted` tensors; its weights stay in that file.

    Parameters
    ----------
    path
        The file. Whoever gives `kept` promises that its content never changes.
    picture_input, layout
        As `filterkit.graph.excerpt.excerpt.excerpt` takes them.
    kept
        Folder of the parts of this file that were cut before, or None. What cannot be read there is made
        anew, and what cannot be written is left.

    Raises
    ------
    FilterkitError
        As `load_model` and `excerpt` do.
    """
    file = None if kept is None else kept / f"{_key(wanted, picture_input, layout)}.onnx"
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
    question = [MAKING, onnx.__version__, sorted(set(wanted)), picture_input, layout]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:32]


def _read(file: Path, model: Path) -> Excerpt | None:
    try:
        if not is_plain(file) or file.stat().st_size > 2 * LARGEST:
            return None
        part = Excerpt.from_bytes(file.read_bytes())
        for tensor in every_tensor(part.model):
            check_tensor(tensor, model)
        os.utime(file)
    except Exception:  # there is none, or whatever a damaged one leads to: it is made anew
        return None
    return part


def _write(file: Path, content: bytes) -> None:
    """Put it there at once and whole, in the place of the one that was not asked for the longest time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # What else lies there is somebody's own.
    cut = (other for other in file.parent.iterdir() if WRITTEN.fullmatch(other.name) and is_plain(other))
    others = sorted(cut, key=lambda other: other.stat().st_mtime)
    for other in others[: max(len(others) + 1 - MOST, 0)]:
        other.unlink(missing_ok=True)
    staged = file.with_name(f"{uuid.uuid4().hex}.part")  # what an interrupted process leaves ages out, too
    try:
        with staged.open("xb") as new:
            new.write(content)
        staged.replace(file)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
