"""A cut graph computes the same as the whole graph, and contains only what it needs."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from filterkit.errors import NotFoundError, UsageError
from filterkit.graph.excerpt.cut import cut

BINARY = ["Add", "Sub", "Mul", "Max"]
UNARY = ["Relu", "Neg", "Sigmoid", "Identity"]


def value(name: str, shape: list[int | str] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model_of(graph: onnx.GraphProto, ir_version: int = 8) -> onnx.ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir_version)


def run(model: onnx.ModelProto, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    needed = {entry.name for entry in session.get_inputs()}
    return session.run(names, {name: array for name, array in inputs.items() if name in needed})


@st.composite
def graphs(draw: st.DrawFn) -> tuple[onnx.ModelProto, list[str]]:
    """A random graph over two inputs and two weights, some of it in If bodies that read outer tensors."""
    known = ["a", "b", "w0", "w1"]
    nodes = []
    for index in range(draw(st.integers(1, 12))):
        name = f"t{index}"
        kind = draw(st.sampled_from(["unary", "binary", "if"]))
        first, second = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        if kind == "unary":
            nodes.append(helper.make_node(draw(st.sampled_from(UNARY)), [first], [name]))
        elif kind == "binary":
            nodes.append(helper.make_node(draw(st.sampled_from(BINARY)), [first, second], [name]))
        else:
            branches = {}
            for branch, operator in (("then_branch", "Add"), ("else_branch", "Sub")):
                inner = f"{name}_{branch}"
                body = [
                    helper.make_node("Neg", [first], [f"{inner}_n"]),
                    helper.make_node(operator, [f"{inner}_n", second], [inner]),
                ]
                branches[branch] = helper.make_graph(body, branch, [], [value(inner)])
            nodes.append(helper.make_node("If", ["flag"], [name], **branches))
        known.append(name)
    weights = [
        numpy_helper.from_array(np.array([[1.5, -2.0]], np.float32), "w0"),
        numpy_helper.from_array(np.array([[0.25], [-4.0]], np.float32), "w1"),
        numpy_helper.from_array(np.array(draw(st.booleans())), "flag"),
    ]
    inputs = [value("a", ["H", 2]), value("b", ["H", 2])]
    made = [node.output[0] for node in nodes]
    graph = helper.make_graph(nodes, "random", inputs, [value(made[-1])], weights)
    wanted = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    return model_of(graph), wanted


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_a_cut_graph_computes_the_same(drawn: tuple[onnx.ModelProto, list[str]]) -> None:
    model, wanted = drawn
    before = model.SerializeToString(deterministic=True)
    inputs = {
        "a": np.array([[1, -2], [3, 0.5]], np.float32),
        "b": np.array([[-1, 2], [0, 7]], np.float32),
    }
    whole = onnx.ModelProto.FromString(before)
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    smaller = cut(model, wanted)
    for found, expected in zip(run(smaller, wanted, inputs), run(whole, wanted, inputs), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [output.name for output in smaller.graph.output] == wanted
    assert model.SerializeToString(deterministic=True) == before
    assert cut(model, wanted).SerializeToString(deterministic=True) == smaller.SerializeToString(
        deterministic=True
    )
    # Every node, initializer and input is used.
    used = {name for node in smaller.graph.node for name in _names(node)} | set(wanted)
    assert all(used.intersection(node.output) for node in smaller.graph.node)
    assert all(tensor.name in used for tensor in smaller.graph.initializer)
    assert all(entry.name in used for entry in smaller.graph.input)


def _names(node: onnx.NodeProto) -> set[str]:
    inner = [each for attribute in node.attribute if attribute.HasField("g") for each in attribute.g.node]
    return set(node.input).union(*map(_names, inner)) if inner else set(node.input)


def chain(ir_version: int = 8) -> onnx.ModelProto:
    """x → Conv → c → Relu → r → Gemm-like MatMul → y, with weights also listed as inputs."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "m"], ["y"], name="head"),
    ]
    weights = [
        numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones((4, 5), np.float32), "m"),
    ]
    inputs = [value("x", [1, 1, 6, 6]), value("w", [2, 1, 3, 3]), value("m", [4, 5])]
    graph = helper.make_graph(
        nodes, "chain", inputs, [value("y", [1, 2, 4, 5])], weights, value_info=[value("c", [1, 2, 4, 4])]
    )
    return model_of(graph, ir_version)


def test_everything_after_the_cut_is_removed() -> None:
    smaller = cut(chain(), ["c"])
    assert [node.name for node in smaller.graph.node] == ["conv"]
    assert [tensor.name for tensor in smaller.graph.initializer] == ["w"]
    assert [entry.name for entry in smaller.graph.input] == ["x"]
    assert smaller.graph.output[0] == value("c", [1, 2, 4, 4])  # the type was known
    assert not smaller.graph.value_info
    assert cut(chain(), ["r"]).graph.output[0] == onnx.ValueInfoProto(name="r")  # this one was not


def test_ir_3_keeps_its_weights_among_the_inputs() -> None:
    smaller = cut(chain(ir_version=3), ["c"])
    assert smaller.ir_version == 3
    assert [entry.name for entry in smaller.graph.input] == ["x", "w"]
    onnx.checker.check_model(smaller)


def test_functions_and_opsets_are_kept() -> None:
    double = helper.make_function(
        "local",
        "Double",
        ["v"],
        ["d"],
        [helper.make_node("Add", ["v", "v"], ["d"])],
        [helper.make_opsetid("", 13)],
    )
    nodes = [
        helper.make_node("Double", ["x"], ["d"], domain="local"),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "f", [value("x", [2])], [value("y", [2])])
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[double], ir_version=8)
    smaller = cut(model, ["d"])
    np.testing.assert_array_equal(run(smaller, ["d"], {"x": np.array([1, 2], np.float32)})[0], [2, 4])


def test_unknown_tensors_are_named() -> None:
    with pytest.raises(NotFoundError, match="no tensor 'cc'") as caught:
        cut(chain(), ["cc"])
    assert "'c'" in str(caught.value.hint)
    with pytest.raises(UsageError):
        cut(chain(), [])


def test_tensors_of_bodies_are_reported_as_such() -> None:
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "body", [], [value("n")])
    node = helper.make_node("If", ["flag"], ["y"], name="choice", then_branch=body, else_branch=body)
    flag = numpy_helper.from_array(np.array(True), "flag")
    model = model_of(helper.make_graph([node], "g", [value("x", [1])], [value("y")], [flag]))
    with pytest.raises(NotFoundError, match="in the body of If node 'choice'"):
        cut(model, ["n"])
