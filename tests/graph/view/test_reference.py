"""Constants that are not computed: the node that is the reason, and limits of size and time."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from computed import HALF, IMAGES, ONE, SMALL, SQUARE, alone, made, reason, same
from onnx import TensorProto, helper
from onnx_graphs import build, found, node, opened, random

from filterkit.graph.view import reference
from filterkit.graph.view.constants import MOST_SECONDS
from filterkit.records import Skipped


def test_an_operator_of_somebody_else_is_named_with_its_domain() -> None:
    nodes = [
        node("Quantize", "k", "q", name="own", domain="my.ops"),
        *(node("Reshape", "q n", "r"), node("Conv", "x r", "y", name="conv")),
    ]
    constants = {"k": random(2, 3, 9), "n": np.array([2, 3, 3, 3])}
    model = build(nodes, {"x": [1, 3, 8, 8]}, constants)
    model.opset_import.add(domain="my.ops", version=1)
    (skipped,) = found(opened(model))
    assert isinstance(skipped, Skipped)
    assert skipped.reason == (
        "the weight is computed by node 'own' (Quantize of domain 'my.ops'), "
        "an operator that filterkit cannot compute"
    )


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            [node("RandomNormal", "", "a", name="dice", shape=[2]), node("Neg", "a", "w", name="neg")],
            "computed at run time by node 'dice' (RandomNormal)",
        ),
        (
            [node("Dropout", "k half on", "a", name="drop"), node("Neg", "a", "w")],
            "computed from constants by node 'drop' (Dropout), which is random",
        ),
        (
            [
                node("Neg", "k", "a", name="constant"),
                node("Mul", "x a", "b", name="first"),
                *(node("Abs", "b", "c", name="second"), node("Neg", "c", "w", name="third")),
            ],
            "computed from the model's input at run time by node 'first' (Mul)",
        ),
        (
            [
                node("RandomNormal", "", "a", name="dice", shape=[2]),
                *(node("Mul", "a a", "b", name="twice"), node("Mul", "b x", "w", name="mixed")),
            ],
            "computed from the model's input at run time by node 'mixed' (Mul)",
        ),
        (
            [node("Abs", "k", "a"), node("MatMul", "a k", "b", name="wrong"), node("Neg", "b", "w")],
            "computed from constants by node 'wrong' (MatMul), which fails",
        ),
        (
            [node("Det", "square", "a"), node("LabelEncoder", "a", "w", name="l", domain="ai.onnx.ml")],
            "computed by node 'l' (LabelEncoder of domain 'ai.onnx.ml'), "
            "an operator that filterkit cannot compute",
        ),
        (
            [node("StringConcat", "t t", "w", name="texts")],
            "computed at run time by node 'texts' (StringConcat)",
        ),
        (
            [node("Unique", "t", "a", name="texts"), node("Identity", "a", "w")],
            "computed from constants by node 'texts' (Unique), which handles strings",
        ),
    ],
    ids=lambda case: case if isinstance(case, str) else case[0].op_type,
)
def test_the_first_node_that_is_not_computed_is_the_reason(nodes: list[onnx.NodeProto], said: str) -> None:
    constants = {"k": random(3, 2), "half": HALF, "on": np.array(True), "square": SQUARE}
    model = made(nodes, constants, opset=20)
    model.opset_import.add(domain="ai.onnx.ml", version=2)
    model.graph.initializer.append(helper.make_tensor("t", TensorProto.STRING, [1], [b"text"]))
    assert reason(model) == said


def test_a_node_of_a_function_that_waits_for_itself() -> None:
    """Only the main graph is put in order when a model is opened."""
    model = build(
        [node("Block", "", "y", domain="own"), node("Conv", "y v", "z")],
        {"x": [1, 3, 8, 8]},
        {"v": random(2, 4, 1, 1)},
    )
    inside = [helper.make_node("Conv", ["a", "o"], ["o"], name="loop")]
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Block", ["a"], ["o"], inside, opset))
    model.opset_import.add(domain="own", version=1)
    skipped = next(each for each in found(opened(model)) if isinstance(each, Skipped))
    assert skipped.reason.startswith("the weight is computed from itself by node ")


BIG = np.float32(2**33)


@pytest.mark.parametrize(
    "model",
    [
        alone("Range", np.float32(0), BIG, ONE),
        made([node("Neg", "a", "b"), node("Range", "z b o", "w")], {"a": -BIG, "z": ONE * 0, "o": ONE}),
        alone("OneHot", np.array([0]), np.array(2**40), np.float32([0, 1])),
        alone("Pad", SMALL, np.array([0, 2**40, 0, 0])),
        alone("Resize", IMAGES, None, np.float32([1, 1, 2**20, 2**20])),
        alone("MatMul", random(2**14, 1), random(1, 2**14)),
        alone("Einsum", random(2**10), random(2**9), random(2**10), equation="i,j,k->ijk"),
        alone("HannWindow", np.array(2**40)),
        made(
            [node("MatMul", "a b", "c"), node("Tile", "c n", "w")],
            {"a": SQUARE, "b": SQUARE, "n": [2**20] * 2},
        ),
    ],
    ids=lambda model: model.graph.node[-2].op_type,
)
def test_a_bomb_costs_nothing(model: onnx.ModelProto) -> None:
    last = model.graph.node[-2]
    at = f"node '{last.name or 'w'}' ({last.op_type})"
    assert reason(model) == f"computed from constants by {at}, which is too large to compute"


def test_large_constants_that_are_no_bombs() -> None:
    assert opened(alone("Range", np.float32(0), np.float32(2**20), ONE)).constant("w").shape == (2**20,)
    assert opened(alone("MatMul", random(2**11, 1), random(1, 2**11))).constant("w").size == 2**22


def test_what_is_sent_is_limited() -> None:
    half = np.zeros(reference.MOST_SENT // 8, np.float32)
    nodes = [node("Einsum", "k k", "w", name="n", equation="i,i->")]
    assert opened(made(nodes, {"k": half})).constant("w") == 0
    long = alone("Einsum", half, np.zeros(half.size + 1, np.float32), equation="i,j->")
    assert reason(long).endswith(
        "(Einsum), which reads more data than can be sent to the process that computes it"
    )


def test_a_model_has_so_much_time_for_its_constants() -> None:
    """A Resize of every size is a loop in Python."""
    scales = np.float32([1, 1, 20, 20])
    graph = opened(alone("Resize", random(1, 64, 16, 16), None, scales, mode="cubic"))
    assert graph.budget.seconds == MOST_SECONDS
    graph.budget.seconds = 0.2
    assert reason(graph) == "computed from constants by node 'n' (Resize), which takes too long to compute"
    spent = graph.budget.seconds
    assert spent < 0.2
    assert reason(graph).endswith("takes too long to compute")
    assert graph.budget.seconds == spent  # it is not tried again
    assert opened(alone("Resize", random(1, 2, 4, 4), None, scales, mode="cubic")).constant("w").any()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of CPU time")
def test_what_cannot_be_interrupted_ends_with_its_process() -> None:
    """A product of integers, for which there is no fast way, in C."""
    graph = opened(alone("MatMul", *[np.ones((3000, 3000), np.int32)] * 2))
    graph.budget.seconds = 0.2
    said = "computed from constants by the nodes from 'n' (MatMul) on, which take too much to compute"
    assert reason(graph) == said
    assert graph.budget.seconds <= 0
    same(alone("MatMul", SQUARE, SQUARE))


def test_a_process_that_does_not_survive_is_followed_by_another_one() -> None:
    reference._worker.prepare()
    assert reference._worker.process is not None
    reference._worker.process.kill()
    reference._worker.process.wait()
    same(alone("MatMul", SQUARE, SQUARE))
