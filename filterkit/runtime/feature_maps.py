"""Feature maps: networks cut at the wanted tensors, opened once and kept open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from filterkit.errors import ModelError, UsageError
from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.runtime import opened
from filterkit.runtime.excerpts import excerpt_of
from filterkit.runtime.network import Network, Size
from filterkit.runtime.providers import choose
from filterkit.runtime.targets import Target

__all__ = ["Network", "Size", "Target", "open_network"]


def open_network(
    model: Path | onnx.ModelProto,
    targets: Sequence[Target],
    *,
    picture_input: str | None = None,
    layout: str | None = None,
    provider: str = "auto",
    threads: int | None = None,
    kept: Path | None = None,
) -> Network:
    """Cut a network at the wanted tensors and open it; a file that is open already is not opened again.

    Parameters
    ----------
    model
        An ONNX file (external data beside it), or a model in memory.
    targets
        What to expose. Everything behind the deepest of them is left away. A target in the body of a Loop or
        Scan is left out.
    picture_input, layout
        The input that takes pictures and its axes; its number of pictures and their size are freed where the
        graph allows. None where the network takes none.
    provider
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    threads
        Of one operator; None leaves it to ONNX Runtime.
    kept
        Folder in which cut graphs of this file are kept from one process to the next; its content must
        never change then.

    Raises
    ------
    NotFoundError
        A target is no tensor of the graph.
    ModelError
        The file cannot be read.
    RuntimeFailure
        ONNX Runtime does not take the model, or not on this provider; no target can be run at all.
    UsageError
        There are no targets, or an unknown provider.
    """
    if not targets:
        raise UsageError("no layer was chosen to run")
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
        part = excerpt_of(path, wanted, picture_input=picture_input, layout=layout, kept=kept)
        found = Network(
            part,
            targets,
            picture_input=picture_input,
            provider=provider,
            threads=threads,
            folder=path.parent,
        )
        opened.keep(key, found)
    return found


def _version(path: Path) -> tuple[int, int]:
    """What tells a changed file from the one that is open."""
    try:
        found = path.stat()
    except OSError as error:
        raise ModelError(f"the model file {path} cannot be read: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns
