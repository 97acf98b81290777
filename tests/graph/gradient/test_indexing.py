"""Gradients of operators that take elements by their indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError

LAST = np.iinfo(np.int64).max
FIRST = np.iinfo(np.int64).min

SLICES: dict[str, list[list[int]]] = {
    "front": [[0], [2], [0], [1]],
    "middle": [[1, -3], [3, -1], [1, -1], [1, 1]],
    "stride": [[1], [LAST], [2], [2]],
    "flip": [[-1, -1], [FIRST, FIRST], [1, 2], [-1, -1]],
    "backwards in steps": [[3], [FIRST], [2], [-2]],
    "past the end": [[-100], [100], [1], [3]],
    "without steps": [[1, 0], [3, 2], [2, 0]],
    "without axes": [[0, 1], [1, 3]],
}


@pytest.mark.parametrize("name", SLICES)
def test_slice(name: str) -> None:
    names = ["starts", "ends", "axes", "steps"]
    constants = {each: np.array(value) for each, value in zip(names, SLICES[name], strict=False)}
    check([node("Slice", " ".join(["x", *constants]), "y")], {"x": random(2, 4, 5)}, constants)


def test_slice_of_old_opsets() -> None:
    check([node("Slice", "x", "y", starts=[1], ends=[-1], axes=[1])], {"x": random(2, 4)}, opset=9)


PADS = {
    "constant": [0, 1, 2, 1, 0, 3],
    "reflect": [0, 2, 3, 1, 1, 2],
    "edge": [1, 0, 5, 0, 2, 3],
    "wrap": [0, 3, 5, 2, 0, 1],
}


@pytest.mark.parametrize("mode", PADS)
def test_pad(mode: str) -> None:
    """More than once around for edge and wrap."""
    given = {"pads": np.array(PADS[mode]), "value": np.float32(0.5)}
    inputs = "x pads value" if mode == "constant" else "x pads"
    x = {"x": random(2, 3, 4)}
    check([node("Pad", inputs, "y", mode=mode)], x, given, opset=19, step=0.5)


def test_pad_of_some_axes() -> None:
    given = {"pads": np.array([2, 1, 1, 1]), "axes": np.array([-1, 1])}
    check([node("Pad", "x pads _ axes", "y", mode="reflect")], {"x": random(2, 3, 4)}, given, step=0.5)


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_pad_by_less_than_nothing_crops(mode: str) -> None:
    given = {"pads": np.array([0, -1, 1, 0, -1, -2])}
    check([node("Pad", "x pads", "y", mode=mode)], {"x": random(2, 4, 5)}, given, step=0.5)


def test_pad_of_old_opsets() -> None:
    check([node("Pad", "x", "y", mode="edge", pads=[0, 1, 0, 2])], {"x": random(2, 3)}, opset=9, step=0.5)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("mode", "name"), [("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular")]
)
@settings(max_examples=10, deadline=None)
@given(pads=st.tuples(*[st.integers(0, 3)] * 4), seed=st.integers(0, 2**31))
def test_pad_in_torch(mode: str, name: str, pads: tuple[int, ...], seed: int) -> None:
    pad = find_torch().nn.functional.pad
    left, right, top, bottom = pads
    check_with_torch(
        [node("Pad", "x pads", "y", mode=mode)],
        {"x": random(1, 2, 4, 5, seed=seed)},
        lambda x: pad(x, pads, mode=name),
        {"pads": np.array([0, 0, top, left, 0, 0, bottom, right])},
        opset=19,
    )


TAKEN: dict[str, tuple[str, dict[str, Any], Any]] = {
    "one": ("Gather", {"axis": 1}, 2),
    "the last": ("Gather", {"axis": 1}, -1),
    "some": ("Gather", {"axis": -1}, [3, 0, -1]),
    "a matrix of them": ("Gather", {"axis": 1}, [[0, 0, 1], [2, 1, 0]]),
    "one of them often": ("Gather", {"axis": 1}, [[0, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0]]),
    "elements": ("GatherElements", {"axis": 1}, np.array([0, 0, 1, -1] * 2).reshape(2, 1, 4)),
    "points": ("GatherND", {}, [[0, 1], [1, -1], [0, 1]]),
    "points of each": ("GatherND", {"batch_dims": 1}, [[[1, 3], [2, 0]], [[0, 0], [0, 0]]]),
}


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("name", TAKEN)
def test_elements_that_are_taken(name: str, constant: bool) -> None:
    """By indices that are constant, or that are computed from the input."""
    operator, attributes, indices = TAKEN[name]
    nodes = [node(operator, "x indices", "y", **attributes)]
    constants = {"indices": np.array(indices)}
    if not constant:
        constants = {"offset": np.array(indices)}
        nodes = [
            node("ArgMax", "x", "most", axis=0, keepdims=0),
            node("ReduceMin", "most", "least", keepdims=0),  # 0, unless all maxima are in the second matrix
            node("Add", "offset least", "indices"),
            *nodes,
        ]
    x = random(2, 3, 4)
    x[0, 0, 0] = 9
    check(nodes, {"x": x}, constants)


def test_elements_that_are_replaced() -> None:
    x, updates = random(3, 4), random(2, 2, seed=1)
    points = np.array([[[0, 0], [2, 1]], [[1, 3], [2, 2]]])
    for reduction in ("none", "add"):
        check(
            [node("ScatterND", "x points updates", "y", reduction=reduction)],
            {"x": x, "updates": updates},
            {"points": points},
        )
        check(
            [node("ScatterElements", "x rows updates", "y", axis=1, reduction=reduction)],
            {"x": x, "updates": updates},
            {"rows": np.array([[0, 3], [1, 2]])},
        )


def test_the_largest_elements() -> None:
    check([node("TopK", "x k", "y places", axis=1)], {"x": random(2, 5, 3)}, {"k": np.array([3])})


def test_triangles() -> None:
    check([node("Trilu", "x k", "y", upper=0)], {"x": random(2, 4, 4)}, {"k": np.array(1)})


def test_long_axes() -> None:
    """A part in one piece is padded; other parts need an index for every element."""
    axis = {"axes": np.array([0])}
    x = {"x": np.zeros(2**24 + 1, np.float32)}
    part = {"starts": np.array([100]), "ends": np.array([200]), **axis}
    (found,) = derived(model_of([node("Slice", "x starts ends axes", "y")], x, part), x)
    assert (np.flatnonzero(found) == np.arange(100, 200)).all()
    part["steps"] = np.array([2])
    with pytest.raises(ModelError, match=r"it takes elements of an axis of length 16,777,217"):
        derived(model_of([node("Slice", "x starts ends axes steps", "y")], x, part), x)
