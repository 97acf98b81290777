"""Activations that change the number of channels: CReLU, maxout, GLU."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_graphs import node, random
from tails import bank

CRELU = {
    "relu of both": [node("Neg", "c", "n"), node("Concat", "c n", "k", axis=1), node("Relu", "k", "y")],
    "both of relu": [
        node("Neg", "c", "n"),
        node("Relu", "n", "m"),
        node("Relu", "c", "p"),
        node("Concat", "p m", "y", axis=-3),
    ],
    "scaled": [
        node("Mul", "c minus", "n"),
        node("Concat", "c n", "k", axis=1),
        node("Mul", "k wide", "s"),
        node("Add", "s wide", "t"),
        node("Max", "t zero", "y"),
    ],
}


@pytest.mark.parametrize("case", CRELU)
def test_crelu(case: str) -> None:
    found = bank(*CRELU[case], minus=np.float32(-1), wide=random(8, 1, 1))
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("crelu", "c", "y")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Neg", "c", "n"), node("Concat", "n c", "k", axis=1), node("Relu", "k", "y")],
        [
            node("Neg", "c", "n"),
            node("Relu", "n", "m"),
            node("Relu", "c", "p"),
            node("Concat", "m p", "y", axis=1),
        ],
    ],
    ids=["relu of both", "both of relu"],
)
def test_negated_half_first_is_not_crelu(nodes: list[onnx.NodeProto]) -> None:
    found = bank(*nodes)
    assert (found.activation, found.post_tensor) == (None, "c")


def test_concatenation_with_another_tensor_is_not_crelu() -> None:
    found = bank(node("Concat", "c r", "k", axis=1), node("Relu", "k", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")
    found = bank(node("Neg", "c", "n"), node("Concat", "c n", "k", axis=2), node("Relu", "k", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")


MAXOUT = {
    "split": [node("Split", "c", "p q", axis=1, num_outputs=2), node("Max", "p q", "y")],
    "slices": [
        node("Slice", "c i0 i2 a1", "p"),
        node("Slice", "c i2 i4 a1", "q"),
        node("Max", "q p", "y"),
    ],
    "by comparison": [
        node("Split", "c", "p q", axis=1, num_outputs=2),
        node("Greater", "p q", "g"),
        node("Where", "g p q", "y"),
    ],
    "reduced": [node("Reshape", "c to_five", "k"), node("ReduceMax", "k a2", "y", keepdims=0)],
    "reduced first": [node("Reshape", "c to_five", "k"), node("ReduceMax", "k a1", "y", keepdims=0)],
}


@pytest.mark.parametrize("case", MAXOUT)
def test_maxout(case: str) -> None:
    found = bank(*MAXOUT[case])
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("maxout", "c", "y")


def test_glu() -> None:
    nodes = [
        node("Split", "c", "p q", axis=1, num_outputs=2),
        node("Sigmoid", "q", "g"),
        node("Mul", "p g", "y"),
    ]
    assert bank(*nodes).activation == "glu"
    assert bank(nodes[0], node("Add", "p q", "y")).activation is None
    assert bank(node("Slice", "c i0 i2 a1", "y")).activation is None


def test_glu_with_halves_computed_from_the_shape() -> None:
    nodes = [
        node("Shape", "c", "shape"),
        node("Gather", "shape one", "length"),
        node("Add", "length one", "more"),
        node("Div", "more two", "middle"),
        node("Slice", "c zero middle one", "p"),
        node("Slice", "c middle length one", "q"),
        node("Max", "p q", "y"),
    ]
    found = bank(*nodes, one=np.array([1]), two=np.array([2]), zero=np.array([0]))
    assert (found.activation, found.post_tensor) == ("maxout", "y")
