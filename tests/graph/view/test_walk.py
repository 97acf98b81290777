"""Nodes in topological order, and the paths of nested graphs."""

from __future__ import annotations

from pathlib import Path

from branching_models import branching
from model_files import refused, written
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.view.walk import bodies_in


def test_cycles_are_refused(tmp_path: Path) -> None:
    nodes = [node("Add", "x b", "a"), node("Relu", "a", "b")]
    assert "contains a cycle" in refused(written(tmp_path / "m.onnx", build(nodes, {"x": [1]}))).message


def test_two_producers_of_one_tensor_are_refused(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "a"), node("Abs", "x", "a")]
    assert "two nodes produce" in refused(written(tmp_path / "m.onnx", build(nodes, {"x": [1]}))).message


def test_tensors_without_a_producer_are_refused(tmp_path: Path) -> None:
    model = build([node("Add", "x lost", "a")], {"x": [1]})
    assert "nothing produces the tensor 'lost'" in refused(written(tmp_path / "m.onnx", model)).message


def test_unsorted_nodes_are_sorted() -> None:
    nodes = [node("Conv", "a w", "y"), node("Relu", "x", "a")]
    graph = opened(build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, outputs=["y"]))
    assert [one.op_type for one in graph.nodes] == ["Relu", "Conv"]
    assert len(banks(graph)) == 1


def test_nodes_with_equal_names_have_different_scopes() -> None:
    model = branching()
    twin = model.graph.node.add()
    twin.CopyFrom(model.graph.node[0])
    twin.output[0] = "y2"
    scopes = [body.scope for body in bodies_in(model.graph)]
    assert sorted(scopes) == ["outer/else_branch", "outer/then_branch", "y2/else_branch", "y2/then_branch"]
