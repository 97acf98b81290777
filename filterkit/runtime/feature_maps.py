"""Open networks cut at the wanted tensors, and keep them open for reuse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from filterkit.errors import ModelError, UsageError
from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.runtime import opened
from filterkit.runtime.excerpts import excerpt_of
from filterkit.runtime.network import Network, Size, Target
from filterkit.runtime.providers import choose

__all__ = ["Network", "Size", "Target", "open_network"]


def open_network(
    model: Path | onnx.ModelProto,
    targets: Sequence[Target],
    *,
    picture_input: str | None = None,
    layout: str | None = None,
    provider: str = "auto",
    threads: int | None = None,
    cache_dir: Path | None = None,
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
    provider
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads
        Threads per operator; None for ONNX Runtime's default.
    cache_dir
        Folder in which excerpts of this file are cached across processes; its content must then never change.

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
        return Network(
            part, targets, picture_input=picture_input, provider=provider, threads=threads, folder=None
        )
    path = model.resolve()
    key = (path, _version(path), tuple(targets), picture_input, layout, choose(provider).name, threads)
    found = opened.find(key)
    if found is None:
        part = excerpt_of(path, wanted, picture_input=picture_input, layout=layout, cache_dir=cache_dir)
        found = Network(
            part,
            targets,
            picture_input=picture_input,
            provider=provider,
            threads=threads,
            folder=path.parent,
        )
        opened.add(key, found)
    return found


def _version(path: Path) -> tuple[int, int]:
    """Size and time of the file, to detect changes."""
    try:
        found = path.stat()
    except OSError as error:
        raise ModelError(f"cannot read model file {path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns
