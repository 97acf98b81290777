"""Functions are inlined, and casts to the type of another tensor become plain ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from function_models import WEIGHT, body, if_
from onnx import TensorProto, helper
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.errors import ModelError
from filterkit.records import Skipped


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


@pytest.mark.parametrize("stated", ["input", "value_info", "convolution"])
def test_a_constant_of_the_type_of_the_picture(stated: str) -> None:
    """As torch.onnx writes the bias of a convolution that has none, without its optimizer."""
    like = "x" if stated == "input" else "h"
    nodes = [
        node("Identity" if stated == "value_info" else "Relu", "x", "h"),
        node("CastLike", f"zero {like}", "cast"),
        node("Expand", "cast size", "bias"),
        node("Conv", "h weight bias", "y", name="conv"),
    ]
    arrays = {"zero": np.int64(0), "size": np.int64([4]), "weight": random(4, 3, 3, 3)}
    graph = build(nodes, {"x": [1, 3, 8, 8]}, {k: np.asarray(v) for k, v in arrays.items()}, opset=18)
    if stated == "value_info":
        graph.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, None))
    view = opened(graph)
    assert view.constant("bias").tolist() == [0, 0, 0, 0]
    assert view.constant("bias").dtype == np.float32
    [bank] = banks(view)
    assert bank.bias is not None and bank.bias.tolist() == [0, 0, 0, 0]


def test_a_cast_to_a_type_that_is_not_known_stays() -> None:
    nodes = [
        node("NonZero", "x", "places"),
        node("CastLike", "zero places", "cast"),
        node("Identity", "x", "y"),
    ]
    graph = build(nodes, {"x": [1, 3]}, {"zero": np.asarray(np.float32(0))}, opset=18)
    assert not opened(graph).is_constant("cast")
