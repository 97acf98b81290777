"""Constants that are computed by branches of an If or the body of a Loop."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from computed import made, same
from onnx import TensorProto, helper
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.view import reference
from filterkit.graph.view.constants import NotConstant

ONE, HALF = np.float32(1), np.float32(0.5)


def body(nodes: list[onnx.NodeProto], inputs: dict[str, int], outputs: dict[str, int]) -> onnx.GraphProto:
    """A body with inputs and outputs of these types."""
    infos = [
        [
            helper.make_tensor_value_info(name, kind, None if kind == TensorProto.FLOAT else ())
            for name, kind in of.items()
        ]
        for of in (inputs, outputs)
    ]
    return helper.make_graph(nodes, "body", *infos)


def branching(condition: bool, *, inner: str = "Neg") -> onnx.ModelProto:
    branches = {
        "then_branch": body([node("Mul", "base two", "t")], {}, {"t": TensorProto.FLOAT}),
        "else_branch": body([node(inner, "base", "e")], {}, {"e": TensorProto.FLOAT}),
    }
    constants = {"base": random(3, 4), "two": np.float32(2), "c": np.bool_(condition)}
    return made([node("If", "c", "w", name="choice", **branches)], constants)


@pytest.mark.parametrize("condition", [True, False])
def test_a_branch_with_a_constant_condition(condition: bool) -> None:
    graph = branching(condition)
    same(graph)
    base = random(3, 4)
    np.testing.assert_array_equal(opened(graph).constant("w"), base * 2 if condition else -base)


def test_a_nested_branch_reads_outer_tensors() -> None:
    inner = node(
        "If",
        "c",
        "t",
        then_branch=body([node("Add", "base own", "i")], {}, {"i": TensorProto.FLOAT}),
        else_branch=body([node("Identity", "own", "j")], {}, {"j": TensorProto.FLOAT}),
    )
    outer = {
        "then_branch": body([node("Mul", "base base", "own"), inner], {}, {"t": TensorProto.FLOAT}),
        "else_branch": body([node("Identity", "base", "e")], {}, {"e": TensorProto.FLOAT}),
    }
    graph = made([node("If", "c", "w", **outer)], {"base": random(3, 4), "c": np.bool_(True)})
    same(graph)


def looping(times: int | None, *, condition: str = "on", outputs: str = "w stack") -> onnx.ModelProto:
    """Each iteration halves the carried value, adds one, and outputs the square of the result."""
    nodes = [
        node("Identity", condition, "again"),
        node("Mul", "carried half", "smaller"),
        node("Add", "smaller one", "next"),
        node("Mul", "next next", "squared"),
    ]
    kinds = {"number": TensorProto.INT64, "on": TensorProto.BOOL, "carried": TensorProto.FLOAT}
    given = {"again": TensorProto.BOOL, "next": TensorProto.FLOAT, "squared": TensorProto.FLOAT}
    constants = {
        "start": random(2, 3),
        "half": HALF,
        "one": ONE,
        "yes": np.bool_(True),
        "no": np.bool_(False),
    }
    if times is not None:
        constants["times"] = np.int64(times)
    loop = node("Loop", "times yes start", outputs, name="rounds", body=body(nodes, kinds, given))
    if times is None:
        loop.input[0] = ""
    return made([loop], constants)


@pytest.mark.parametrize("tensor", ["w", "stack"])
@pytest.mark.parametrize(("times", "condition"), [(5, "on"), (1, "on"), (5, "no"), (None, "no")])
def test_a_loop_over_constants(tensor: str, times: int | None, condition: str) -> None:
    same(looping(times, condition=condition), tensor)


def test_a_loop_that_never_runs() -> None:
    same(looping(0))
    with pytest.raises(NotConstant, match=r"node 'rounds' \(Loop\), which does not produce a single tensor"):
        opened(looping(0)).constant("stack")


def test_an_endless_loop_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PATIENCE", 1.0)
    with pytest.raises(NotConstant, match=r"node 'rounds' \(Loop\), which (takes too long|is too large)"):
        opened(looping(None, outputs="w")).constant("w")


def test_a_branch_with_a_random_node_is_not_computed() -> None:
    graph = opened(branching(False, inner="RandomNormalLike"))
    with pytest.raises(NotConstant, match=r"at run time by node 'choice' \(If\)"):
        graph.constant("w")


def test_a_convolution_whose_weight_is_computed_in_a_branch() -> None:
    choice = {
        "then_branch": body([node("Mul", "base two", "t")], {}, {"t": TensorProto.FLOAT}),
        "else_branch": body([node("Identity", "base", "e")], {}, {"e": TensorProto.FLOAT}),
    }
    nodes = [node("If", "c", "w", **choice), node("Conv", "x w", "y", name="conv")]
    arrays = {"base": random(4, 3, 3, 3), "two": np.float32(2), "c": np.asarray(True)}
    graph = build(nodes, {"x": [1, 3, 8, 8]}, {k: np.asarray(v) for k, v in arrays.items()}, opset=17)
    [bank] = banks(opened(graph))
    np.testing.assert_array_equal(bank.weights, random(4, 3, 3, 3) * 2)
