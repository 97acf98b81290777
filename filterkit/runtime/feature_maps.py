"""Feature maps: networks cut at the wanted tensors, opened once and kept open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from filterkit.errors import ModelError, UsageError
from filterkit.graph.load import load_model
from filterkit.runtime.network import Network, Size, Target
from filterkit.runtime.providers import choose

__all__ = ["Network", "Size", "Target", "open_network"]

KEPT_OPEN = 4
"""How many networks stay open in a process, so that asking again costs nothing."""

_open: OrderedDict[tuple[Any, ...], Network] = OrderedDict()
_turn = threading.Lock()
"""Held where `_open` changes, and not while a network opens: two threads may open the same one."""


def open_network(
    model: Path | onnx.ModelProto,
    targets: Sequence[Target],
    *,
    picture_input: str | None = None,
    layout: str | None = None,
    provider: str = "auto",
    threads: int | None = None,
) -> Network:
    """Cut a network at the wanted tensors and open it; a file that is open already is not opened again.

    Parameters
    ----------
    model
        An ONNX file (external data beside it), or a model in memory.
    targets
        What to expose. Everything behind the deepest of them is left away.
    picture_input, layout
        The input that takes pictures and its axes; its number of pictures and their size are freed where the
        graph allows. None where the network takes none.
    provider
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads
        Of one operator; None leaves it to ONNX Runtime.

    Raises
    ------
    NotFoundError
        A target is no tensor of the main graph.
    ModelError
        The file cannot be read.
    RuntimeFailure
        ONNX Runtime does not take the model, or not on this provider.
    UsageError
        There are no targets, or an unknown provider.
    """
    if not targets:
        raise UsageError("no layer was chosen to run")

    def network(graph: onnx.ModelProto, folder: Path | None) -> Network:
        return Network(
            graph,
            targets,
            picture_input=picture_input,
            layout=layout,
            provider=provider,
            threads=threads,
            folder=folder,
        )

    if isinstance(model, onnx.ModelProto):
        return network(model, None)
    path = model.resolve()
    key = (path, _version(path), tuple(targets), picture_input, layout, choose(provider).name, threads)
    with _turn:
        found = _open.get(key)
        if found is not None:
            _open.move_to_end(key)
    if found is None:
        found = network(load_model(path), path.parent)
        with _turn:
            _open[key] = found
            while len(_open) > KEPT_OPEN:
                _open.popitem(last=False)
    return found


def _version(path: Path) -> tuple[int, int]:
    """What tells a changed file from the one that is open."""
    try:
        found = path.stat()
    except OSError as error:
        raise ModelError(f"the model file {path} cannot be read: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns
