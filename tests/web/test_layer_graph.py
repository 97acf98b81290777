"""The drawing of the graph of layers: colours, names, and its limits."""

from __future__ import annotations

from typing import Any

import pytest

from filterkit.web.layer_graph import (
    COLOURS,
    MOST_EDGES,
    MOST_LAYERS,
    Steps,
    layer_graph,
    metrics_of,
)


def row(number: int, **values: Any) -> dict[str, Any]:
    return {"address": f"net/l{number}", "layer": f"l{number}", **values}


def edge(one: int | None, other: int | None, *via: str) -> dict[str, Any]:
    ends = {
        "from_address": None if one is None else f"net/l{one}",
        "to_address": None if other is None else f"net/l{other}",
    }
    return {**ends, "via": [*via], "tensor": "x" if one is None else "y" if other is None else None}


def test_layers_are_links_and_the_ends_of_the_network_are_not() -> None:
    rows = [row(0, sparsity=0.25), row(1, sparsity=None)]
    graph = layer_graph(rows, [edge(None, 0), edge(0, 1, "Relu", "MaxPool"), edge(1, None)], "sparsity")
    assert [(node["name"], node["href"]) for node in graph["nodes"]] == [
        ("l0", "/m/net/l0"),
        ("l1", "/m/net/l1"),
        ("input x", None),
        ("output y", None),
    ]
    assert [node["title"] for node in graph["nodes"]][:2] == ["l0: sparsity 0.25", "l1: sparsity unknown"]
    assert graph["nodes"][1]["colour"] is None
    titles = [line["title"] for line in graph["lines"]]
    assert "net/l0 → net/l1 via Relu, MaxPool" in titles and "input x → net/l0" in titles


@pytest.mark.parametrize(
    ("layers", "edges"), [(MOST_LAYERS, MOST_EDGES), (MOST_LAYERS + 1, 0), (2, MOST_EDGES + 1)]
)
def test_larger_graphs_are_not_drawn(layers: int, edges: int) -> None:
    rows = [row(number, macs=number) for number in range(layers)]
    graph = layer_graph(rows, [edge(0, 1)] * edges, "macs")
    assert ("is_too_large" in graph) is (layers > MOST_LAYERS or edges > MOST_EDGES)
    assert (graph["layers"], graph["edges"]) == (layers, edges)


def test_steps_are_equal_differences_or_equal_factors() -> None:
    steps = Steps([0.0, 0.7, None, "text", True])
    assert [steps.step(value) for value in (0.0, 0.05, 0.15, 0.69, 0.7, None)] == [0, 0, 1, 6, 6, None]
    wide = Steps([1, 10**7])
    assert [wide.step(10**power) for power in range(8)] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert [each["step"] for each in wide.legend()] == [*range(COLOURS)]
    assert wide.legend()[0]["low"] == pytest.approx(1)
    assert Steps([3, 3]).legend() == [{"step": 0, "low": 3.0, "high": 3.0}]
    assert Steps([]).legend() == [] and Steps([]).step(1) is None


def test_only_columns_with_numbers_colour_layers() -> None:
    rows = [row(0, sparsity=None, top_class="cat", macs=5, good=True), row(1, sparsity=0.5)]
    assert metrics_of(rows, ("address", "layer", "sparsity", "top_class", "good")) == ["sparsity", "macs"]
