"""The building blocks of extractors, as plugins import them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import FLOAT, banks, build, node, opened, random

import filterkit
from filterkit.graph.layers.naming import MODULE_NAMES_KEY, name_layers, noted_modules


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


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Identity", "s", "w")], ("s", "float32", "IO")),
        ([node("Transpose", "s", "w", perm=[1, 0])], ("s", "float32", "OI")),
        ([node("Transpose", "s", "w")], ("s", "float32", "OI")),
        ([node("Unsqueeze", "s zero", "w")], ("s", "float32", "IO")),
        ([node("Transpose", "s", "t"), node("Unsqueeze", "t zero", "w")], ("s", "float32", "OI")),
        (
            [node("Unsqueeze", "s zero", "t"), node("Transpose", "t", "w", perm=[0, 2, 1])],
            ("s", "float32", "OI"),
        ),
        ([node("Mul", "scale s", "w")], ("s", "float32", "IO")),
        ([node("Reshape", "s shape", "w")], ("s", "float32", "reshaped")),
        ([node("DequantizeLinear", "codes scale", "w")], ("codes", "int8", "IO")),
    ],
)
def test_origin_of_a_weight(nodes: list[onnx.NodeProto], expected: tuple[str, str, str]) -> None:
    constants = {
        "s": random(4, 4),
        "codes": np.ones((4, 4), np.int8),
        "zero": np.zeros(1, np.int64),
        "scale": np.float32(2),
        "shape": np.array([2, 8]),
    }
    used = {name for each in nodes for name in each.input}
    model = build(
        [*nodes, node("MatMul", "x w", "y")],
        {"x": ["N", "K"]},
        {name: value for name, value in constants.items() if name in used},
    )
    assert filterkit.stored_as(opened(model), "w", "IO") == expected


def test_generated_weight_has_no_type() -> None:
    graph = opened(build([node("Relu", "x", "y")], {"x": ["N", 4]}, {}))
    for tensor, origin in {"absent": "absent", "x": "x", "y": "x"}.items():
        assert filterkit.stored_as(graph, tensor, "IO") == (origin, "?", "IO")


@pytest.mark.parametrize(
    ("scale", "expected"), [(np.float32(0.5), [0.5] * 3), (random(3), random(3)), (random(2), None)]
)
@pytest.mark.parametrize("apart", [True, False])
def test_scale_after_integers(scale: np.ndarray, expected: Any, apart: bool) -> None:
    nodes = [
        node("MatMulInteger", "x w", "sums"),
        node("Cast", "sums", "floats", to=FLOAT),
        *([node("Mul", "found s", "scales")] if apart else []),
        node("Mul", "floats scales" if apart else "s floats", "y"),
    ]
    inputs = {"x": ["N", 4], **({"found": []} if apart else {})}
    model = build(nodes, inputs, {"w": np.ones((4, 3), np.int8), "s": np.asarray(scale)})
    found, tensor = filterkit.dynamic_scale(opened(model), "sums", 3)
    assert tensor == ("sums" if expected is None else "y")
    np.testing.assert_equal(found, None if expected is None else np.array(expected, np.float32))


def test_modules_in_node_metadata() -> None:
    nodes = [node("Conv", "x w", name, name) for name in ("a", "b", "c", "d")]
    notes = {"a": "['', 'body', 'body.first', 'conv2d']", "b": "['', 'conv2d']", "c": "broken", "d": ""}
    for each in nodes:
        if notes[each.name]:
            each.metadata_props.add(key=MODULE_NAMES_KEY, value=notes[each.name])
    nodes.append(node("Sum", "a b c d", "y"))
    graph = opened(build(nodes, {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)}))
    assert noted_modules(graph) == {"a": "body.first"}
    names = name_layers(banks(graph), modules=noted_modules(graph))
    assert names == ["body.first", "b", "c", "d"]
