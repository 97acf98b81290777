"""Gradients of recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from onnx_graphs import node, random

from filterkit.errors import ModelError

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, INPUTS, SIZE = 4, 2, 3, 5


def weights(operator: str, directions: int = 1) -> dict[str, Any]:
    rows = GATES[operator] * SIZE
    shapes = {"w": (rows, INPUTS), "r": (rows, SIZE), "b": (2 * rows,)}
    return {name: random(directions, *shape, seed=len(name + operator)) / 2 for name, shape in shapes.items()}


def inputs_of(operator: str, directions: int = 1) -> dict[str, Any]:
    """Sequences, and initial states."""
    names = ["h", "c"] if operator == "LSTM" else ["h"]
    states = {name: random(directions, BATCH, SIZE, seed=5) for name in names}
    return {"x": random(STEPS, BATCH, INPUTS), **states}


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("operator", "given"), [("RNN", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1}), ("LSTM", {})]
)
def test_finite_differences(operator: str, given: dict[str, Any], direction: str) -> None:
    directions = 2 if direction == "bidirectional" else 1
    inputs = inputs_of(operator, directions)
    names = f"x w r b _ {' '.join(list(inputs)[1:])}"
    one = node(operator, names, "y last", hidden_size=SIZE, direction=direction, **given)
    all_states = [
        one,
        node("Unsqueeze", "last axis", "wide"),
        node("Transpose", "wide", "ends", perm=[0, 1, 2, 3]),
    ]
    nodes = [*all_states, node("Concat", "y ends", "all", axis=0)]
    check(nodes, inputs, {**weights(operator, directions), "axis": np.array([0])}, step=1e-3, tolerance=2e-3)


@pytest.mark.parametrize("operator", GATES)
def test_without_what_may_be_omitted(operator: str) -> None:
    given = weights(operator)
    del given["b"]
    nodes = [node(operator, "x w r", "all last", hidden_size=SIZE), node("Neg", "last", "y")]
    nodes[0].output[0] = ""
    check(nodes, {"x": random(STEPS, BATCH, INPUTS)}, given, step=1e-3, tolerance=2e-3)


def test_the_last_cell() -> None:
    nodes = [node("LSTM", "x w r b", "all last y", hidden_size=SIZE)]
    nodes.append(node("Add", "last y", "z"))
    check(nodes, {"x": random(STEPS, BATCH, INPUTS)}, weights("LSTM"), step=1e-3, tolerance=2e-3)


ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}
"""The gates of torch, by their place in ONNX."""


@pytest.mark.keras
@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("directions", [1, 2])
def test_torch(operator: str, directions: int) -> None:
    torch = find_torch()
    given = weights(operator, directions)
    layer = getattr(torch.nn, operator)(INPUTS, SIZE, bidirectional=directions == 2).double()

    def in_order(rows: Any) -> Any:
        gates = rows.reshape(GATES[operator], SIZE, -1)[ORDER[operator]]
        return torch.tensor(gates.reshape(rows.shape), dtype=torch.float64)

    for place, suffix in enumerate(["", "_reverse"][:directions]):
        halves = np.split(given["b"][place], 2)
        parts = {"weight_ih": given["w"][place], "weight_hh": given["r"][place]}
        parts |= {"bias_ih": halves[0], "bias_hh": halves[1]}
        for name, value in parts.items():
            getattr(layer, f"{name}_l0{suffix}").data = in_order(value)
    attributes = {"linear_before_reset": 1} if operator == "GRU" else {}
    kind = "bidirectional" if directions == 2 else "forward"
    inputs = inputs_of(operator, directions)
    states = " ".join(list(inputs)[1:])
    nodes = [
        node(operator, f"x w r b _ {states}", "y", hidden_size=SIZE, direction=kind, **attributes),
        node("Transpose", "y", "moved", perm=[0, 2, 1, 3]),
        node("Reshape", "moved shape", "z"),
    ]
    given["shape"] = np.array([STEPS, BATCH, -1])
    check_with_torch(nodes, inputs, lambda x, h, *c: layer(x, (h, *c) if c else h)[0], given)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"activations": ["Relu"]}, "its activations are not the default ones"),
        ({"clip": 3.0}, "it clips"),
    ],
)
def test_other_forms_are_named(given: dict[str, Any], what: str) -> None:
    x = {"x": random(STEPS, BATCH, INPUTS)}
    nodes = [node("RNN", "x w r b", "y", hidden_size=SIZE, **given)]
    with pytest.raises(ModelError, match=rf"'y' \(RNN\) has no gradient: {what}"):
        derived(model_of(nodes, x, weights("RNN")), x)
