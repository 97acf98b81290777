"""Rows, and how they are written in a format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from filterkit.cli.support.output import print_rows
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

REGISTRY = Registry(load_plugins(discover=False))

ROWS = [
    {
        "address": f"vgg16/block{block}_conv1",
        "op": "Conv",
        "kernel_shape": [3, 3],
        "strides": [1, 1],
        "parameters": 1792 * block,
        "macs": 15346630656,
        "mean": 0.0123456 * block,
        "output_shape": ["N", 64, "H", "W"],
        "activation": "Relu" if block > 1 else None,
        "node": f"functional_1/block{block}_conv1_1/BiasAdd",
    }
    for block in (1, 2)
]

COLUMNS = tuple(ROWS[0])


def write(
    rows: Sequence[dict[str, Any]], format_name: str, columns: tuple[str, ...] | None = None, **more: Any
) -> str:
    stream = more.pop("stream", None) or io.StringIO()
    names = columns or tuple(rows[0])
    print_rows(iter(rows), names, format_name, registry=REGISTRY, stream=stream, **more)
    return str(stream.getvalue())


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
