"""Operators that ONNX does not define may have anything as attributes: that costs their layer at most."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import build, found, node, opened, random

from filterkit.extractors.convolution_operators import FORMS
from filterkit.graph.layers.activation_nodes import ACTIVATIONS
from filterkit.graph.layers.elementwise import OPERATIONS, QUANTIZED
from filterkit.graph.layers.layout_changes import LAYOUT_OPERATORS
from filterkit.graph.layers.norms import NORMS
from filterkit.records import FilterBank, Skipped

ATTRIBUTES = (
    *("kernel_shape", "strides", "dilations", "pads", "output_padding", "output_shape", "group"),
    *("auto_pad", "activation", "channels_last"),
)
VALUES: dict[str, Any] = {
    "a number": 3,
    "a large number": 2**62,
    "a float": 1.5,
    "a text": "abc",
    "bytes": b"\xff\x00",
    "numbers": [1, 2, 3, 4, 5],
    "floats": [1.5, float("nan")],
    "texts": ["a", "b"],
    "a graph": helper.make_graph([], "g", [], []),
    "graphs": [helper.make_graph([], "g", [], [])],
    "a tensor": onnx.numpy_helper.from_array(np.ones(2)),
}
CONSTANTS = {
    **{name: np.ones((), np.float32) for name in ("xs", "ws", "ys", "p")},
    **{name: np.zeros((), np.uint8) for name in ("xz", "wz", "yz")},
    "half": np.array([0.5, np.nan, np.inf, -1], np.float32),
}
UNDEFINED = sorted({key for key in FORMS if key[0] not in ("", "ai.onnx")})


def layer(domain: str, op: str, **attributes: Any) -> tuple[onnx.NodeProto, dict[str, Any]]:
    codes = op.startswith("QLinear")
    inputs = "image xs xz w ws wz ys yz" if codes else "image w"
    weights = np.ones((4, 4, 3, 3), np.int8) if codes else random(4, 4, 3, 3)
    return node(op, inputs, "y", "conv", domain=domain, **attributes), {"w": weights}


@pytest.mark.parametrize(("domain", "op"), UNDEFINED)
def test_any_attribute_may_be_anything(domain: str, op: str) -> None:
    for name, (called, value) in product(ATTRIBUTES, VALUES.items()):
        made, constants = layer(domain, op, **{name: value})
        [result] = found(opened(build([made], {"image": [1, 4, 8, 8]}, CONSTANTS | constants)))
        assert isinstance(result, FilterBank) or result.reason, (name, called)
        if name == "strides" and "number" not in called:
            assert isinstance(result, Skipped)
            assert result.reason == "the node's attribute 'strides' is malformed", called


def test_paddings_are_whole_numbers() -> None:
    inputs = "image w half"
    made = node("ConvTransposeWithDynamicPads", inputs, "y", "conv", domain="com.microsoft")
    [result] = found(opened(build([made], {"image": [1, 4, 8, 8]}, CONSTANTS | {"w": random(4, 4, 3, 3)})))
    assert result == Skipped("conv", made.op_type, "the node's attribute 'pads' is malformed")


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    ("op", "attribute"),
    [("Clip", "max"), ("Clip", "min"), ("Slice", "axes"), ("BatchNormalization", "training"), ("Cast", "x")],
)
def test_what_follows_may_have_attributes_that_it_should_not(op: str, attribute: str, name: str) -> None:
    """A stranger's operator in front hides them from onnx's checker."""
    norm = {each: np.ones(4, np.float32) for each in ("gamma", "beta", "mean", "variance")}
    more = {"BatchNormalization": " gamma beta mean variance", "Slice": " one one"}.get(op, "")
    fixed = {"to": 1} if op == "Cast" else {}
    nodes = [
        node("Strange", "image", "s", domain="their.own"),
        node("Conv", "image w", "c", "conv"),
        node(op, f"c{more}", "y", **fixed, **{attribute: VALUES[name]}),
        node("Relu", "y", "r"),
    ]
    constants = {"w": random(4, 4, 3, 3), "one": np.ones(1, np.int64), **norm}
    [result] = found(opened(build(nodes, {"image": [1, 4, 8, 8]}, constants)))
    assert isinstance(result, FilterBank)


def test_axes_of_a_slice_behind_are_whole_numbers() -> None:
    nodes = [
        node("Strange", "image", "s", domain="their.own"),
        node("Conv", "image w", "c", "conv"),
        node("Slice", "c one one half", "y"),
    ]
    constants = CONSTANTS | {"w": random(4, 4, 3, 3), "one": np.ones(1, np.int64)}
    [result] = found(opened(build(nodes, {"image": [1, 4, 8, 8]}, constants)))
    assert isinstance(result, FilterBank)
    assert result.post_tensor == "c"


OPERATORS_BEHIND = sorted(
    {
        *OPERATIONS,
        *QUANTIZED,
        *NORMS,
        *ACTIVATIONS,
        *LAYOUT_OPERATORS,
        "Split",
        "Slice",
        "Concat",
        "ReduceMean",
        "ReduceMax",
    }
)
ATTRIBUTES_BEHIND = (
    *("alpha", "beta", "gamma", "min", "max", "axis", "axes", "to", "lambd", "bias", "approximate", "split"),
    *("starts", "ends", "steps", "keepdims", "perm", "allowzero", "activation", "channels_last", "value"),
)


@pytest.mark.parametrize("name", VALUES)
def test_operators_that_onnx_does_not_know_may_have_any_attribute_and_input(name: str) -> None:
    """Of each operator that is looked for behind a layer there may be a namesake."""
    values = dict.fromkeys(ATTRIBUTES_BEHIND, VALUES[name])
    constants = CONSTANTS | {"w": random(4, 4, 3, 3), "column": random(4, 1, 1)}
    for inputs in ("{} half", "half {}", "{} column xs", "{} {}"):
        nodes = []
        for op in OPERATORS_BEHIND:
            own, behind = f"{op}_c", f"{op}_y {op}_z"
            nodes.append(node("Conv", "image w", own, f"conv_{op}"))
            nodes.append(node(op, inputs.format(own, own), behind, domain="com.microsoft", **values))
            nodes.append(node("Relu", f"{op}_y", f"{op}_r"))
        results = found(opened(build(nodes, {"image": [1, 4, 8, 8]}, constants)))
        assert [type(result) for result in results] == [FilterBank] * len(OPERATORS_BEHIND), inputs
