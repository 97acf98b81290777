"""The building blocks of extractors, as plugins import them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import FLOAT, banks, build, node, opened, random

import filterkit


def is_matmul(each: onnx.NodeProto) -> bool:
    return each.op_type == "MatMul"


def reasons(model: onnx.ModelProto, read: Any) -> list[tuple[str, str]]:
    found = list(filterkit.read_layers(opened(model), is_matmul, read))
    assert all(isinstance(each, filterkit.Skipped) and each.op == "MatMul" for each in found)
    return [(each.node, each.reason) for each in found]  # type: ignore[union-attr]


def says_its_shape(graph: filterkit.GraphView, each: onnx.NodeProto, name: str) -> None:
    raise filterkit.Unresolved(f"{name}, {graph.constant(each.input[1]).shape}")


def test_every_layer_is_read_bodies_last() -> None:
    def branch(name: str) -> onnx.GraphProto:
        return helper.make_graph(
            [node("MatMul", "x w", f"{name}_y", name)],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_y", FLOAT, None)],
        )

    choose = node("If", "flag", "c", "choose", then_branch=branch("a"), else_branch=branch("b"))
    nodes = [choose, node("Relu", "c", "r"), node("MatMul", "r v", "y", "last")]
    weights = {"w": random(4, 5), "v": random(5, 6), "flag": np.array(True)}
    model = build(nodes, {"x": ["N", 4]}, weights)
    made = [
        ("last", "last, (5, 6)"),
        ("choose/else_branch/b", "choose/else_branch/b, (4, 5)"),
        ("choose/then_branch/a", "choose/then_branch/a, (4, 5)"),
    ]
    assert reasons(model, says_its_shape) == made
    assert reasons(model, lambda *_: None) == []

    [bank] = banks(opened(build([node("Conv", "x w", "y")], {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)})))
    assert list(filterkit.read_layers(opened(model), is_matmul, lambda *_: bank)) == [bank] * 3


def test_unreadable_layers_are_skipped_with_a_reason() -> None:
    model = build([node("MatMul", "x z", "y", "")], {"x": ["N", 4], "z": [4, 4]}, {})
    assert reasons(model, says_its_shape) == [("y", "its weight is an input of the model ('z')")]

    model = build([node("old", "x", "y", domain="their.own")], {"x": ["N", 4]}, {})
    inside = [node("Constant", "", "w", value_floats=[1.0]), node("MatMul", "a w", "r", "product")]
    opset = [helper.make_opsetid("", 11)]
    model.functions.append(helper.make_function("their.own", "old", ["a"], ["r"], inside, opset))
    [(name, reason)] = reasons(model, says_its_shape)
    assert (name, reason) == (
        "product",
        "in the model's function 'old', whose opset differs from the model's",
    )


@pytest.mark.parametrize("error", [TypeError, ValueError, LookupError, AttributeError])
def test_other_exceptions_are_propagated(error: type[Exception]) -> None:
    def misreads(*_: object) -> None:
        raise error("mine")

    model = build([node("MatMul", "x w", "y")], {"x": ["N", 4]}, {"w": random(4, 4)})
    with pytest.raises(error, match="mine"):
        reasons(model, misreads)


def test_attributes_are_python_values() -> None:
    gemm = node("Gemm", "x w", "y", transB=1, alpha=0.5, words="abc", list=[1, 2])
    assert filterkit.attributes(gemm) == {"transB": 1, "alpha": 0.5, "words": "abc", "list": [1, 2]}
