"""Gradients through the branches of an If that are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from gradient_checks import differences, rules, run
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, build, node, random

from filterkit.errors import ModelError
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.taken_branches import take_branches
from filterkit.graph.gradient.target import Target


def body(name: str, nodes: Sequence[onnx.NodeProto], output: str, **weights: Any) -> onnx.GraphProto:
    stored = [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()]
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, FLOAT, None)], stored)


def branching(opset: int = 17) -> onnx.ModelProto:
    """An If in an If, whose branches read tensors of all graphs around them, and an If beside it.

    Branches use some names twice.
    """
    inner = helper.make_node(
        "If",
        ["strong"],
        ["chosen"],
        name="inner",
        then_branch=body(
            "strong", [node("Mul", "h k", "t"), node("Add", "t x", "yes")], "yes", k=random(2, 1, 1)
        ),
        else_branch=body("weak", [node("Sigmoid", "x", "t"), node("Mul", "t h", "no")], "no"),
    )
    warm = [
        node("Conv", "x w", "maps", pads=[1, 1, 1, 1]),
        node("Tanh", "maps", "h"),
        node("ReduceMax", "h", "most", keepdims=0),
        node("Greater", "most half", "strong"),
        inner,
    ]
    outer = helper.make_node(
        "If",
        ["warm"],
        ["y"],
        name="outer",
        then_branch=body("warm", warm, "chosen", w=random(2, 2, 3, 3, seed=1), half=np.float32(0.5)),
        else_branch=body("cold", [node("Neg", "x", "neg")], "neg"),
    )
    beside = helper.make_node(
        "If",
        ["warm"],
        ["gain"],
        name="beside",
        then_branch=body("more", [node("Exp", "x", "maps"), node("Tanh", "maps", "t")], "t"),
        else_branch=body("less", [node("Abs", "x", "t")], "t"),
    )
    nodes = [node("ReduceSum", "x", "all", keepdims=0), node("Greater", "all zero", "warm"), beside, outer]
    nodes.append(node("Mul", "y gain", "z"))
    weights = {"zero": np.float32(0)}
    model = build(nodes, {"x": [1, 2, 3, 3]}, weights, opset=opset)
    return onnx.ModelProto.FromString(model.SerializeToString())


PICTURES = {
    "outer/then_branch/inner/then_branch": np.abs(random(1, 2, 3, 3)) + 1,
    "outer/then_branch/inner/else_branch": np.full((1, 2, 3, 3), 0.01, np.float32),
    "outer/else_branch": -np.abs(random(1, 2, 3, 3)),
}


@pytest.mark.parametrize("scope", PICTURES)
@pytest.mark.parametrize("opset", [11, 17])
def test_the_gradient_of_the_branch_that_is_taken(scope: str, opset: int) -> None:
    """Also where operators in branches have an old form."""
    model, x = branching(opset), {"x": PICTURES[scope]}
    flat, names = take_branches(model, lambda part: run(part, x))
    np.testing.assert_array_equal(run(flat, x)[0], run(model, x)[0])
    _, found = run(gradient(flat, Target("z", "NCHW"), "x", rules=rules()), x)
    (expected,) = differences(mean(model), x, step=1e-3)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    around = {"/".join(scope.split("/")[:2]), f"beside/{scope.split('/')[1]}"}
    assert {wanted.scope for wanted in names} == {scope, *around}


def mean(model: onnx.ModelProto) -> onnx.ModelProto:
    """The mean of each channel, as the target has it."""
    extended = onnx.ModelProto.FromString(model.SerializeToString())
    extended.graph.node.append(node("GlobalAveragePool", "z", "mean"))
    extended.graph.output[0].name = "mean"
    return extended


def test_a_tensor_in_a_branch_is_a_target() -> None:
    """Under the name that it has where names are used twice."""
    x = {"x": PICTURES["outer/else_branch"] * -1}
    flat, names = take_branches(branching(), lambda part: run(part, x))
    name = names[Wanted("outer/then_branch", "maps")]
    assert name != names[Wanted("beside/then_branch", "maps")]
    _, found = run(gradient(flat, Target(name, "NCHW", (1,), (0, 2)), "x", rules=rules()), x)
    kernel = random(2, 2, 3, 3, seed=1)
    expected = np.zeros((1, 2, 3, 3), np.float32)
    expected[0, :, 0:2, 1:3] = kernel[1, :, 1:3, 0:2]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert Wanted("outer/else_branch", "neg") not in names


@pytest.mark.parametrize("stored", [True, False])
def test_conditions_that_are_stored_or_given(stored: bool) -> None:
    branches = {
        "then_branch": body("yes", [node("Mul", "x x", "square")], "square"),
        "else_branch": body("no", [node("Neg", "x", "neg")], "neg"),
    }
    model = build([node("If", "on", "y", **branches)], {"x": [2]}, {"on": np.array(True)} if stored else {})
    feeds: dict[str, Any] = {"x": np.array([2, 3], np.float32)}
    if not stored:
        model.graph.input.append(helper.make_tensor_value_info("on", TensorProto.BOOL, [1]))
        feeds["on"] = np.array([True])
    used = lambda part: {value.name: feeds[value.name] for value in part.graph.input}  # noqa: E731
    flat, _ = take_branches(model, lambda part: run(part, used(part)))
    built = gradient(flat, Target("y", "C"), "x", rules=rules())
    np.testing.assert_array_equal(run(built, used(built))[1], [4, 6])


def test_an_if_that_is_left_is_named() -> None:
    with pytest.raises(ModelError, match=r"no gradient rule for 'beside' \(If\), 'outer' \(If\)"):
        gradient(branching(18), Target("z", "NCHW"), "x", rules=rules(), shapes={"z": (1, 2, 3, 3)})
