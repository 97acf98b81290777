"""Texts over which a pattern of quadratic time would take hours, and all that is done with names."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

LENGTH = 200_000

PIECES = (
    *(
        "w",
        "0",
        ".",
        "/",
        "\\",
        "_",
        ":",
        " ",
        "\n",
        "(",
        "'",
        ",",
        ":1",
        "__1",
        "_output_1",
        "a_",
        "a.",
        "a/",
    ),
    *(
        "w:",
        "/vars/1",
        "_w_1",
        "kernel",
        "_kernel",
        "depthwise_",
        "Conv/",
        "__Inline_1__",
        "BiasAdd;",
        "::",
        "==",
    ),
    *("a:b(", "CUDA failure 1: ", "x.so", "Name: ", "\x1b[1", "1.", "a-"),
)
ENDS = ("", ":0x")


def texts() -> Iterator[str]:
    for piece in PIECES:
        for end in ENDS:
            yield piece * (LENGTH // len(piece)) + end


def uses() -> dict[str, Callable[[str], Any]]:
    """What looks at names and other texts that files, and users, bring."""
    from onnx_graphs import banks, build, node, opened, random

    from filterkit.address import check_name, name_from_ref, parse_address
    from filterkit.catalog.where import tokens
    from filterkit.errors import one_line
    from filterkit.graph.layers.naming import name_layers
    from filterkit.graph.loading.names import shown
    from filterkit.plugins import discovery
    from filterkit.runtime.onnx_session import explain
    from filterkit.sources.effective_weights import with_effective_weights
    from filterkit.sources.h5_arrays import _layer
    from filterkit.sources.pip_download import check_requirement
    from filterkit.sources.refs import split_options, split_ref
    from filterkit.sources.stored_array import StoredArray, natural
    from filterkit.sources.weights_copies import without_extras
    from filterkit.sources.weights_layers import LAYOUTS, find_layers, layer_name, layout_of
    from filterkit.sources.wheel import _file_name, parse_member

    graph = opened(build([node("Conv", "x w", "y")], {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)}))
    [bank] = banks(graph)

    def layers(text: str) -> Any:
        from dataclasses import replace

        return name_layers([replace(bank, node=text, weight_tensor=text, pre_tensor=text, post_tensor=text)])

    def weights(text: str) -> Any:
        kernel = StoredArray(text, "float32", (2, 2, 3, 3), lambda: None)  # type: ignore[arg-type,return-value]
        bias = StoredArray(f"{text}b", "float32", (2,), lambda: None)  # type: ignore[arg-type,return-value]
        arrays = with_effective_weights(without_extras([kernel, bias]))
        return [layout_of(arrays, "OIHW"), *(find_layers(arrays, layout) for layout in LAYOUTS)]

    return {
        "address": parse_address,
        "condition": lambda text: list(tokens(text)),
        "model name": check_name,
        "name from ref": name_from_ref,
        "one line": one_line,
        "shown": shown,
        "layers": layers,
        "given layers": lambda text: name_layers([bank], {bank.node: text}),
        "metadata": discovery._named,
        "plugin": discovery.canonical,
        "explain": lambda text: explain(RuntimeError(text), "running"),
        "h5 layer": _layer,
        "requirement": check_requirement,
        "ref": lambda text: split_ref(text, ["onnx"]),
        "options": split_options,
        "natural": natural,
        "layer name": layer_name,
        "weights": weights,
        "member": parse_member,
        "wheel": lambda text: _file_name(text),
    }


def main() -> None:
    """Use all texts in all ways; says which, so that one that hangs is known."""
    from filterkit.errors import FilterkitError

    wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    for name, use in uses().items():
        if not wanted.search(name):
            continue
        print(name, flush=True)
        for text in texts():
            try:
                use(text)
            except (FilterkitError, OSError):
                continue


if __name__ == "__main__":
    main()
