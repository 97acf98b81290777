"""Nodes are checked against the operators that ONNX defines."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from model_files import refused, written
from onnx_graphs import banks, build, node, opened, random


@pytest.mark.parametrize("opset", [7, 999])
def test_operators_unknown_to_onnx_are_accepted(opset: int) -> None:
    nodes = [node("Conv", "x w", "c"), node("Strange", "c", "y", domain="custom"), node("Novel", "y", "z")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)}, opset=opset)
    assert len(banks(opened(model))) == 1


@pytest.mark.parametrize("op", ["Clip", "Conv", "MatMulInteger", "QuantizeLinear"])
def test_numbers_of_inputs_are_checked_against_the_operator(tmp_path: Path, op: str) -> None:
    """Even after a custom operator, at which onnx's checker stops, and for operators newer than the opset."""
    nodes = [node("Strange", "x", "c", domain="custom"), node(op, "", "y"), node("Sum", "c y", "z")]
    model = build(nodes, {"x": [1, 3, 8, 8]}, opset=9)
    assert "fewer inputs than" in refused(written(tmp_path / "m.onnx", model)).message
    nodes[1].input.extend(["x"] * 20)
    model = build(nodes, {"x": [1, 3, 8, 8]}, opset=9)
    assert "more inputs than" in refused(written(tmp_path / "m.onnx", model)).message


def test_attributes_of_functions_are_checked_where_they_are_called(tmp_path: Path) -> None:
    inner = node("Conv", "a b", "c")
    inner.attribute.add(name="strides", type=onnx.AttributeProto.INTS, ref_attr_name="steps")
    opset = [onnx.helper.make_opsetid("", 17)]
    function = onnx.helper.make_function(
        "their.own", "Convolve", ["a", "b"], ["c"], [inner], opset, ["steps"]
    )

    def calling(**given: object) -> onnx.ModelProto:
        call = node("Convolve", "x w", "y", domain="their.own", **given)
        model = build([call], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)})
        model.functions.append(function)
        return model

    assert banks(opened(calling(steps=[2, 2])))[0].strides == (2, 2)
    assert banks(opened(calling()))[0].strides == (1, 1)
    for wrong in ("many", 2):
        message = refused(written(tmp_path / "m.onnx", calling(steps=wrong))).message
        assert "attribute 'strides'" in message
    alone = build([node("Strange", "x", "a", domain="custom"), inner], {"x": [1, 3, 8, 8], "b": None})
    assert "is a reference outside a function" in refused(written(tmp_path / "m.onnx", alone)).message
