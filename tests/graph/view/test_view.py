"""Views of graphs and of the bodies nested in them."""

from __future__ import annotations

import numpy as np
from function_models import WEIGHT, body, if_, opened_with
from onnx_graphs import banks, node


def test_every_view_of_a_deep_nest() -> None:
    inside = body([node("Conv", "x w", "t")], "t", w=WEIGHT)
    for place in range(25):
        inside = body(
            [if_(inside, body([node("Identity", "x", "i")], "i"), f"o{place}", f"if{place}")], f"o{place}"
        )
    (bank,) = banks(opened_with(if_(inside, body([node("Identity", "x", "i")], "i"))))
    assert bank.scope.count("then_branch") == 26


def test_names_are_looked_up_in_the_graphs_around_a_body() -> None:
    then = body([node("Mul", "x k", "m"), node("Relu", "m", "yes")], "yes")
    other = body([node("Neg", "early", "no")], "no")
    nodes = [node("Abs", "x", "early"), if_(then, other), node("Add", "y early", "z")]
    graph = opened_with(*nodes, k=np.float32([2]))
    outer, inner = sorted(graph.bodies(), key=lambda view: view.scope)
    assert (inner.depth, inner.outer, inner.home("m"), inner.home("x")) == (1, graph, inner, graph)
    assert graph.home("m") is None and graph.producer("m") is None
    producers = {name: inner.producer(name) for name in ("m", "yes", "early", "x", "k", "nothing")}
    assert {name: each and each.op_type for name, each in producers.items()} == {
        "m": "Mul", "yes": "Relu", "early": "Abs", "x": None, "k": None, "nothing": None
    }  # fmt: skip
    assert [each.op_type for each in graph.consumers("early")] == ["If", "Add"]
    assert [each.op_type for each in outer.consumers("early")] == ["Neg"]
    assert graph.gives_out("z") and not graph.gives_out("y") and inner.gives_out("yes")
    assert inner.is_constant("k") and not inner.is_constant("m")


def test_a_copy_has_a_model_of_its_own() -> None:
    graph = opened_with(node("Relu", "x", "y"))
    copy = graph.copy()
    copy.model.graph.node[0].op_type = "Neg"
    assert (graph.nodes[0].op_type, copy.path) == ("Relu", graph.path)


def test_a_value_is_shared_as_long_as_it_is_referenced() -> None:
    graph = opened_with(node("Mul", "k k", "w"), node("Add", "x w", "y"), k=np.float32([3]))
    assert graph.held("w") is None
    value = graph.constant("w")
    assert graph.constant("w") is value is graph.held("w")
    np.testing.assert_array_equal(value, [9])
    del value
    assert graph.held("w") is None
