"""Shell completion of names from the catalog and the plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from io import StringIO
from typing import Any


def _quietly(find: Callable[[str], Iterable[str]]) -> Callable[[str], list[str]]:
    """Completion must never disturb the line being typed: errors complete nothing and print nothing."""

    def complete(incomplete: str) -> list[str]:
        try:
            with redirect_stderr(StringIO()):
                found = [name for name in find(incomplete) if name.startswith(incomplete)]
                return [name for name in found if name.isprintable()]  # others cannot be typed
        except Exception:
            return []

    return complete


def _workbench() -> Any:
    from filterkit.workbench import Workbench

    return Workbench(upgrade=False)  # pressing Tab must not change anything


def _models(incomplete: str) -> list[str]:
    with _workbench() as bench:
        return [str(row["model"]) for row in bench.models()]


def _addresses(incomplete: str) -> list[str]:
    model, slash, _ = incomplete.partition("/")
    with _workbench() as bench:
        if not slash:
            return [f"{row['model']}" for row in bench.models()]
        return [str(row["address"]) for row in bench.layers(model)]


def _refs(incomplete: str) -> list[str]:
    with _workbench() as bench:
        known = [str(row["name"]) for row in bench.zoo()]
    return [*known, "classic", "keras:", "onnx:", "weights:", "wheel:"]


def _contributed(kind: str) -> Callable[[str], list[str]]:
    def find(incomplete: str) -> list[str]:
        with _workbench() as bench:
            return list(bench.registry.names(kind))

    return find


complete_model = _quietly(_models)
complete_address = _quietly(_addresses)
complete_ref = _quietly(_refs)
complete_extractor = _quietly(_contributed("extractor"))
complete_format = _quietly(_contributed("format"))
complete_normalizer = _quietly(_contributed("normalizer"))
complete_renderer = _quietly(_contributed("renderer"))
