"""Convolutions inside bodies and functions, with weights from around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, banks, build, found, node, opened, random

from filterkit.errors import ModelError
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.layers.naming import name_layers
from filterkit.graph.view.view import GraphView
from filterkit.records import Skipped

WEIGHT = random(4, 2, 3, 3)


def body(
    nodes: Sequence[onnx.NodeProto],
    output: str,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    extra: Sequence[str] = (),
    **constants: np.ndarray,
) -> onnx.GraphProto:
    outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in (*extra, output)]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_graph(list(nodes), "body", list(inputs), outputs, stored)


def if_(
    then: onnx.GraphProto, other: onnx.GraphProto, output: str = "y", name: str = "choose"
) -> onnx.NodeProto:
    return helper.make_node("If", ["c"], [output], name=name, then_branch=then, else_branch=other)


def opened_with(*nodes: onnx.NodeProto, **constants: np.ndarray) -> GraphView:
    return opened(build(nodes, {"x": [1, 2, 8, 8]}, {"c": np.array(True), **constants}))


def test_branches_with_weights_of_every_scope() -> None:
    """One from the main graph behind a node of the body, one of the body's own, one as a Constant."""
    then = body(
        [
            node("Transpose", "k", "w", perm=[3, 2, 0, 1]),
            node("Conv", "x w", "t", name="conv"),
            node("Relu", "t", "r"),
        ],
        "r",
    )
    made = helper.make_node("Constant", [], ["cw"], value=numpy_helper.from_array(WEIGHT * 3))
    other = body(
        [node("Conv", "x own", "t", name="conv"), made, node("Conv", "x cw", "u")], "u", own=WEIGHT * 2
    )
    other.node.sort(key=lambda one: one.op_type != "Constant")
    graph = opened_with(if_(then, other), k=np.ascontiguousarray(WEIGHT.transpose(2, 3, 1, 0)))
    found_banks = banks(graph)
    assert [(bank.node, bank.scope) for bank in found_banks] == [
        ("choose/else_branch/conv", "choose/else_branch"),
        ("choose/else_branch/u", "choose/else_branch"),
        ("choose/then_branch/conv", "choose/then_branch"),
    ]
    for bank, factor in zip(found_banks, (2, 3, 1), strict=True):
        np.testing.assert_allclose(bank.weights, WEIGHT * factor, rtol=1e-6)
    then_bank = found_banks[2]
    assert (then_bank.pre_tensor, then_bank.post_tensor, then_bank.activation) == ("t", "r", "relu")
    assert (then_bank.source_layout, then_bank.input_tensor) == ("HWIO", "x")
    assert len(set(name_layers(found_banks))) == 3
    assert all(layer.receptive_field is None for layer in trace_geometry(graph, found_banks))


def test_bodies_in_bodies() -> None:
    inner = if_(body([node("Conv", "x w", "a")], "a"), body([node("Conv", "x v", "b")], "b"), "z", "inner")
    outer = body([node("Mul", "w two", "v"), inner], "z")
    graph = opened_with(
        node("Conv", "x w", "m"),
        if_(outer, body([node("Identity", "x", "i")], "i")),
        w=WEIGHT,
        two=np.float32(2),
    )
    main, second, first = banks(graph)
    assert (main.scope, first.scope) == ("", "choose/then_branch/inner/then_branch")
    np.testing.assert_array_equal(second.weights, WEIGHT * 2)
    assert first.weight_tensor == "w"


def test_a_tensor_of_the_same_name_in_another_branch_is_another() -> None:
    then, other = (body([node("Conv", "x w", "t")], "t", w=WEIGHT * factor) for factor in (1, 5))
    second, first = banks(opened_with(if_(then, other)))
    np.testing.assert_array_equal(first.weights * 5, second.weights)


def test_loops_and_scans() -> None:
    step = helper.make_tensor_value_info("n", TensorProto.INT64, [])
    go = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    carried = [helper.make_tensor_value_info(name, FLOAT, None) for name in ("state", "kernel")]
    looped = body(
        [
            node("Conv", "state w", "next", pads=[1, 1, 1, 1]),
            node("Conv", "state kernel", "dropped", name="moving"),
            node("Identity", "go", "on"),
            node("Identity", "kernel", "same"),
        ],
        "same",
        [step, go, *carried],
        extra=["on", "next"],
    )
    looped.output[0].type.tensor_type.elem_type = TensorProto.BOOL
    loop = helper.make_node("Loop", ["times", "c", "x", "w"], ["l", "k"], name="loop", body=looped)
    scanned = body([node("Conv", "part w", "s")], "s", [helper.make_tensor_value_info("part", FLOAT, None)])
    scan = helper.make_node("Scan", ["l"], ["y"], name="scan", body=scanned, num_scan_inputs=1)
    square = random(2, 2, 3, 3)
    first, skipped, last = found(opened_with(loop, scan, w=square, times=np.array(3)))
    assert (first.node, last.node) == ("loop/body/next", "scan/body/s")
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "the weight is passed to the body of node 'loop' (Loop) at run time ('kernel')"


def function(
    name: str, nodes: Sequence[onnx.NodeProto], opset: int = 17, **attributes: str
) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("their.own", 1)]
    return helper.make_function("their.own", name, ["a", "k"], ["r"], list(nodes), imports, list(attributes))


def conv_with_strides_of_the_call() -> onnx.NodeProto:
    conv = node("Conv", "a k", "r", name="conv")
    conv.attribute.append(
        onnx.AttributeProto(name="strides", ref_attr_name="step", type=onnx.AttributeProto.INTS)
    )
    return conv


def test_functions_take_weights_and_attributes_from_their_calls() -> None:
    calls = [
        node("pair", "x w", "p", domain="their.own"),
        if_(
            body([node("block", "x v", "t", domain="their.own", step=[1, 1])], "t"),
            body([node("Identity", "x", "i")], "i"),
        ),
    ]
    model = build(
        calls, {"x": [1, 2, 8, 8]}, {"w": random(2, 2, 3, 3), "v": WEIGHT, "c": np.array(True)}, ["y", "p"]
    )
    model.functions.extend(
        [
            function(
                "pair",
                [
                    node("block", "a k", "t", domain="their.own", step=[1, 1]),
                    node("block", "t k", "r", domain="their.own", step=[2, 2]),
                ],
            ),
            function("block", [conv_with_strides_of_the_call()], step=""),
        ]
    )
    found_banks = banks(opened(model))
    assert [bank.strides for bank in found_banks] == [(1, 1), (2, 2), (1, 1)]
    assert [bank.scope for bank in found_banks] == ["", "", "choose/then_branch"]
    np.testing.assert_array_equal(found_banks[2].weights, WEIGHT)
    assert len({bank.node for bank in found_banks}) == 3


def test_functions_of_another_opset_are_reasons() -> None:
    model = build([node("old", "x w", "y", domain="their.own")], {"x": [1, 2, 8, 8]}, {"w": WEIGHT})
    model.functions.append(function("old", [node("Conv", "a k", "r", name="conv")], opset=11))
    (skipped,) = found(opened(model))
    assert isinstance(skipped, Skipped) and skipped.node == "conv"
    assert skipped.reason == "in the model's function 'old', whose opset differs from the model's"


@pytest.mark.parametrize("kind", ["itself", "each other", "too many"])
def test_functions_that_never_end(kind: str) -> None:
    calls = {"itself": {"f0": "f0"}, "each other": {"f0": "f1", "f1": "f0"}}.get(kind) or {
        f"f{place}": f"f{place + 1}" for place in range(40)
    }
    model = build([node("f0", "x w", "y", domain="their.own")], {"x": [1, 2, 8, 8]}, {"w": WEIGHT})
    for name, callee in calls.items():
        nodes = [node(callee, "a k", "t", domain="their.own"), node(callee, "t k", "r", domain="their.own")]
        model.functions.append(function(name, nodes))
    if kind == "too many":
        model.functions.append(function("f40", [node("Conv", "a k", "r")]))
    with pytest.raises(ModelError, match="too many nodes" if kind == "too many" else "calls itself"):
        opened(model)


def test_lists_of_bodies_are_bodies_too() -> None:
    inside = body([node("Conv", "x w", "t", name="conv")], "t")
    switch = node("Switch", "x", "y", "switch", "their.own", cases=[inside, inside])
    first, second = banks(opened_with(switch, w=WEIGHT))
    assert (first.node, second.node) == ("switch/cases[0]/conv", "switch/cases[1]/conv")
    assert np.array_equal(first.weights, WEIGHT) and np.array_equal(second.weights, WEIGHT)


def test_every_view_of_a_deep_nest() -> None:
    inside = body([node("Conv", "x w", "t")], "t", w=WEIGHT)
    for place in range(25):
        inside = body(
            [if_(inside, body([node("Identity", "x", "i")], "i"), f"o{place}", f"if{place}")], f"o{place}"
        )
    (bank,) = banks(opened_with(if_(inside, body([node("Identity", "x", "i")], "i"))))
    assert bank.scope.count("then_branch") == 26
