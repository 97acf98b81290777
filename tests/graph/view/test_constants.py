"""Constant folding: weights that a graph computes from constants, in bodies as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from computed import made, same
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.view import reference
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView


def constant_node(name: str = "c", **values: Any) -> GraphView:
    """A graph whose tensor ``c`` is produced by a Constant node with the given attribute."""
    nodes = [helper.make_node("Constant", [], [name], **values), node("Identity", "x", "y")]
    return opened(build(nodes, {"x": [1]}))


def test_constant_nodes_in_all_attribute_forms() -> None:
    array = random(3, 300)
    assert np.array_equal(constant_node(value=numpy_helper.from_array(array)).constant("c"), array)
    assert constant_node(value_float=0.5).constant("c") == np.float32(0.5)
    assert constant_node(value_floats=[0.5, 1.0]).constant("c").tolist() == [0.5, 1.0]
    assert constant_node(value_int=3).constant("c").dtype == np.int64
    assert constant_node(value_ints=[3, 4]).constant("c").tolist() == [3, 4]
    assert constant_node(value_string="s").constant("c") == b"s"


@pytest.mark.parametrize("indices", [[[0, 1], [2, 0]], [1, 6]], ids=["coordinates", "flat"])
def test_sparse_constants_are_converted_to_dense(indices: list[Any]) -> None:
    values = numpy_helper.from_array(np.array([5, 7], np.float32), "s")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array(indices), "i"), [3, 3])
    dense = np.array([[0, 5, 0], [0, 0, 0], [7, 0, 0]], np.float32)
    assert np.array_equal(constant_node(sparse_value=sparse).constant("c"), dense)
    model = build([node("Identity", "x", "y")], {"x": [1]})
    model.graph.sparse_initializer.append(sparse)
    assert np.array_equal(opened(model).constant("s"), dense)


def test_initializers_that_are_listed_as_inputs_are_constants() -> None:
    model = build(
        [node("Conv", "x w", "y")], {"x": [1, 1, 4, 4], "w": [1, 1, 3, 3]}, {"w": random(1, 1, 3, 3)}
    )
    graph = opened(model)
    assert [value.name for value in graph.inputs] == ["x"]
    assert graph.is_constant("w")


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        (TensorProto.INT4, [-8.0, 7.0, 1.0]),
        (TensorProto.BFLOAT16, [0.5, -2.0, 1.0]),
        (TensorProto.FLOAT8E4M3FN, [0.5, -2.0, 1.0]),
    ],
)
def test_types_that_numpy_does_not_have(data_type: int, expected: list[float]) -> None:
    model = build([node("Identity", "x", "y")], {"x": [1]})
    model.graph.initializer.append(helper.make_tensor("w", data_type, [3], expected))
    assert opened(model).constant("w").astype(np.float32).tolist() == expected


@st.composite
def hidden(draw: st.DrawFn) -> tuple[list[onnx.NodeProto], dict[str, Any], np.ndarray]:
    """A known array, and nodes that compute it from something else."""
    wanted = random(2, 3, 3, 4, seed=draw(st.integers(0, 99)))
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {}
    value, name = wanted, "w"
    for place in range(draw(st.integers(1, 6))):
        earlier = f"v{place}"
        kind = draw(
            st.sampled_from(["identity", "transpose", "reshape", "cast", "slice", "concat", "mul", "axes"])
        )
        if kind == "identity":
            step = [node("Identity", earlier, name)]
        elif kind == "transpose":
            perm = draw(st.permutations(range(value.ndim)))
            step, value = [node("Transpose", earlier, name, perm=perm)], value.transpose(np.argsort(perm))
        elif kind == "reshape":
            constants[f"k{place}"] = np.array(value.shape)
            step, value = [node("Reshape", f"{earlier} k{place}", name)], value.reshape(-1, 2)
        elif kind == "cast":
            step = [node("Cast", earlier, name, to=TensorProto.FLOAT)]
            value = value.astype(np.float64)
            nodes[:0] = step
            constants[earlier] = value
            break
        elif kind == "slice":
            constants |= {f"b{place}": np.array([1]), f"e{place}": np.array([1 + value.shape[0]])}
            step = [node("Slice", f"{earlier} b{place} e{place}", name)]
            value = np.concatenate([value[:1], value, value[:1]])
        elif kind == "concat":
            constants[f"k{place}"] = value[1:]
            step, value = [node("Concat", f"{earlier} k{place}", name, axis=0)], value[:1]
        elif kind == "mul":
            constants[f"k{place}"] = np.float32(4)
            step, value = [node("Mul", f"{earlier} k{place}", name)], value / np.float32(4)
        else:
            constants[f"k{place}"] = np.array([0])
            step, value = [node("Squeeze", f"{earlier} k{place}", name)], value[None]
        nodes[:0] = step
        name = earlier
    else:
        constants[name] = value
    return nodes, constants, wanted


@settings(max_examples=100, deadline=None)
@given(hidden())
def test_any_chain_of_nodes_is_computed(
    case: tuple[list[onnx.NodeProto], dict[str, Any], np.ndarray],
) -> None:
    nodes, constants, wanted = case
    graph = opened(build([*nodes, node("Identity", "x", "y")], {"x": [1]}, constants))
    assert graph.is_constant("w")
    np.testing.assert_array_equal(graph.constant("w"), wanted)


def test_quantized_weights_are_dequantized() -> None:
    codes = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    scale, zero = np.array([0.5, 1, 2], np.float32), np.array([0, 1, 2], np.int8)
    nodes = [node("DequantizeLinear", "q s z", "w", axis=0), node("Identity", "x", "y")]
    graph = opened(build(nodes, {"x": [1]}, {"q": codes, "s": scale, "z": zero}))
    expected = (codes - zero[:, None].astype(np.float32)) * scale[:, None]
    np.testing.assert_array_equal(graph.constant("w"), expected)


def test_large_constants_that_do_not_grow_are_computed() -> None:
    constants = {
        "k": np.ones((8192, 1), np.float32),
        "l": np.ones((8192, 8), np.float32),
        "n": np.array([8192, 8]),
    }
    nodes = [node("Expand", "k n", "e"), node("Mul", "e l", "w")]
    assert opened(build(nodes, {"x": [1]}, constants)).constant("w").shape == (8192, 8)


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    nodes = [node("Identity", f"t{place}", f"t{place + 1}") for place in range(1500)]
    assert opened(build(nodes, {"x": [1]}, {"t0": np.ones(4, np.float32)})).constant("t1500").shape == (4,)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Reshape", "k n", "w")],
        [node("Gather", "k n", "w", axis=7)],
        [node("Transpose", "k", "w", perm=[0, 0])],
        [node("ConstantOfShape", "m", "w")],
    ],
    ids=lambda nodes: nodes[0].op_type,
)
def test_malformed_nodes_are_not_constant(nodes: list[onnx.NodeProto]) -> None:
    constants = {"k": np.ones((2, 3), np.float32), "n": np.array([7]), "m": np.array([-1, 2])}
    with pytest.raises(NotConstant):
        opened(build(nodes, {"x": [1]}, constants)).constant("w")


def test_constants_are_read_only() -> None:
    graph = opened(build([node("Conv", "x w", "y")], {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 3, 3)}))
    with pytest.raises(ValueError, match="read-only"):
        graph.constant("w")[0] = 1


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
