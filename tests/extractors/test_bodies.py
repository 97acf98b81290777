"""Convolutions inside bodies and functions, with weights from around them."""

from __future__ import annotations

import numpy as np
from function_models import WEIGHT, body, if_, opened_with
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, banks, found, node, random

from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.layers.naming import name_layers
from filterkit.records import Skipped


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


def test_lists_of_bodies_are_bodies_too() -> None:
    inside = body([node("Conv", "x w", "t", name="conv")], "t")
    switch = node("Switch", "x", "y", "switch", "their.own", cases=[inside, inside])
    first, second = banks(opened_with(switch, w=WEIGHT))
    assert (first.node, second.node) == ("switch/cases[0]/conv", "switch/cases[1]/conv")
    assert np.array_equal(first.weights, WEIGHT) and np.array_equal(second.weights, WEIGHT)
