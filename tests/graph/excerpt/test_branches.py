"""Tensors in the branches of an If are outputs where the branch is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, node, random

from filterkit.errors import NotFoundError, RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted, why_not_exposed
from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.graph.view.walk import bodies_in


def graph(name: str, nodes: list[onnx.NodeProto], output: str, **weights: Any) -> onnx.GraphProto:
    stored = [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()]
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, FLOAT, None)], stored)


def branching() -> onnx.ModelProto:
    """An If in an If; the inner one reads tensors of all three graphs, and some names are used twice."""
    kernel = random(2, 2, 3, 3, seed=1)
    inner = helper.make_node(
        "If",
        ["sunny"],
        ["chosen"],
        name="inner",
        then_branch=graph(
            "sunny", [node("Conv", "h k", "t"), node("Add", "t x", "yes")], "yes", k=random(2, 2, 1, 1)
        ),
        else_branch=graph("rainy", [node("Conv", "x w", "t"), node("Mul", "t h", "no")], "no"),
    )
    outer = helper.make_node(
        "If",
        ["warm"],
        ["y"],
        name="outer",
        then_branch=graph(
            "warm",
            [node("Conv", "x w", "conv", pads=[1, 1, 1, 1]), node("Relu", "conv", "h"), inner],
            "chosen",
            w=kernel,
        ),
        else_branch=graph("cold", [node("Conv", "x v", "conv"), node("Neg", "conv", "neg")], "neg"),
    )
    inputs = [helper.make_tensor_value_info("x", FLOAT, [1, 2, 3, 3])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("warm", "sunny")]
    made = helper.make_graph(
        [outer, node("Exp", "y", "z")],
        "branching",
        inputs,
        [helper.make_tensor_value_info("z", FLOAT, None)],
        [numpy_helper.from_array(random(2, 2, 1, 1, seed=2), "v")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


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


def test_nodes_with_equal_names_have_different_scopes() -> None:
    model = branching()
    twin = model.graph.node.add()
    twin.CopyFrom(model.graph.node[0])
    twin.output[0] = "y2"
    scopes = [body.scope for body in bodies_in(model.graph)]
    assert sorted(scopes) == ["outer/else_branch", "outer/then_branch", "y2/else_branch", "y2/then_branch"]
