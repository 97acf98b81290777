"""Tensors in the branches of an If are outputs where the branch is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from branching_models import branching, graph
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, node, random

from filterkit.errors import NotFoundError, RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted, why_not_exposed
from filterkit.graph.excerpt.excerpt import excerpt

X = random(1, 2, 3, 3, seed=3)


def run(model: onnx.ModelProto, **inputs: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


@pytest.mark.parametrize(
    ("scope", "output", "warm", "sunny"),
    [
        ("outer/then_branch/inner/then_branch", "yes", True, True),
        ("outer/then_branch/inner/else_branch", "no", True, False),
        ("outer/else_branch", "neg", False, False),
    ],
)
def test_tensors_of_a_taken_branch_are_outputs(scope: str, output: str, warm: bool, sunny: bool) -> None:
    model = branching()
    [after] = run(model, x=X, warm=np.array(warm), sunny=np.array(sunny))
    part = excerpt(model, [Wanted(scope, output)])
    conditions = {"warm": np.array(warm), "sunny": np.array(sunny)}
    needed = [value.name for value in part.model.graph.input]
    [inside] = run(
        part.model, **{name: value for name, value in {"x": X, **conditions}.items() if name in needed}
    )
    np.testing.assert_allclose(np.exp(inside), after, rtol=1e-5)
    assert part.inputs == {"x", "warm", "sunny"}
    assert model.SerializeToString() == branching().SerializeToString()


def test_tensors_of_other_branches_are_empty() -> None:
    model = branching()
    wanted = [
        Wanted("", "z"),
        Wanted("outer/then_branch", "conv"),
        Wanted("outer/else_branch", "conv"),
        Wanted("outer/then_branch/inner/then_branch", "t"),
        Wanted("outer/then_branch/inner/else_branch", "t"),
    ]
    part = excerpt(model, wanted)
    assert list(part.tensors) == wanted and len(set(part.tensors.values())) == 5
    for warm, sunny in [(True, True), (True, False), (False, True)]:
        conditions = {"warm": np.array(warm), "sunny": np.array(sunny)}
        z, *inside = run(part.model, x=X, **conditions)
        np.testing.assert_allclose(z, run(model, x=X, **conditions)[0], rtol=1e-5)
        computed = [values.shape != (0,) for values in inside]
        assert computed == [warm, not warm, warm and sunny, warm and not sunny]


def test_branches_are_pruned_to_what_wanted_tensors_need() -> None:
    part = excerpt(branching(), [Wanted("outer/then_branch", "conv")])
    [outer] = part.model.graph.node
    branches = {attribute.name: attribute.g for attribute in outer.attribute}
    assert [each.op_type for each in branches["then_branch"].node] == ["Conv", "Cast"]
    assert [each.op_type for each in branches["else_branch"].node] == ["Constant"]
    assert [value.name for value in part.model.graph.input] == ["x", "warm"]
    assert not part.model.graph.initializer  # only the other branch needs it


def looping() -> onnx.ModelProto:
    """A convolution in the branch of an If in the body of a Loop, and one before the Loop."""
    branch = graph("branch", [node("Conv", "h v", "inside")], "inside")
    choice = helper.make_node("If", ["go"], ["next"], name="choice", then_branch=branch, else_branch=branch)
    body = helper.make_graph(
        [node("Identity", "go_on", "go"), choice],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("h", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, None),
        ],
    )
    made = helper.make_graph(
        [
            node("Conv", "x v", "before"),
            helper.make_node("Loop", ["three", "", "before"], ["y"], name="again", body=body),
        ],
        "looping",
        [helper.make_tensor_value_info("x", FLOAT, [1, 2, 3, 3])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [
            numpy_helper.from_array(random(2, 2, 1, 1), "v"),
            numpy_helper.from_array(np.array(3), "three"),
        ],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_tensors_in_a_loop_are_left_out_with_the_reason() -> None:
    inside = Wanted("again/body/choice/then_branch", "inside")
    part = excerpt(looping(), [Wanted("", "before"), inside])
    assert list(part.tensors) == [Wanted("", "before")]
    assert part.left_out == {
        inside.scope: "it is in the body of the Loop 'again', which runs any number of times for one input"
    }
    with pytest.raises(RuntimeFailure, match="cannot be run: it is in the body of the Loop 'again'"):
        excerpt(looping(), [inside])


def test_unknown_bodies_and_tensors_are_named() -> None:
    with pytest.raises(NotFoundError, match="no body 'outer/no_branch'"):
        why_not_exposed(branching().graph, "outer/no_branch")
    with pytest.raises(NotFoundError, match="computes the tensor 'nothing'"):
        excerpt(branching(), [Wanted("outer/else_branch", "nothing")])
