"""Gradients of operators that move or repeat whole blocks of elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError

Case = tuple[str, dict[str, Any], dict[str, list[Any]], tuple[int, ...], str]
CASES: dict[str, Case] = {
    "identity": ("Identity", {}, {}, (2, 3), "x"),
    "dropout": ("Dropout", {}, {}, (2, 3), "x"),
    "reshape": ("Reshape", {}, {"shape": [0, -1]}, (2, 3, 4), "x.reshape(2, -1)"),
    "flatten": ("Flatten", {"axis": -1}, {}, (2, 3, 4), "x.reshape(6, 4)"),
    "flatten all": ("Flatten", {"axis": 0}, {}, (2, 3, 4), "x.reshape(1, -1)"),
    "squeeze": ("Squeeze", {}, {"axes": [-3]}, (2, 1, 3, 1), "x.squeeze(1)"),
    "squeeze all": ("Squeeze", {}, {}, (2, 1, 3, 1), "x.squeeze()"),
    "unsqueeze": ("Unsqueeze", {}, {"axes": [0, -1]}, (2, 3), "x[None, :, :, None]"),
    "transpose": ("Transpose", {"perm": [2, 0, 3, 1]}, {}, (2, 3, 4, 5), "x.permute(2, 0, 3, 1)"),
    "reverse": ("Transpose", {}, {}, (2, 3, 4), "x.permute(2, 1, 0)"),
    "expand": ("Expand", {}, {"shape": [4, 2, 1, 5]}, (2, 3, 1), "x.expand(4, 2, 3, 5)"),
    "tile": ("Tile", {}, {"repeats": [2, 1, 3]}, (2, 3, 2), "x.tile(2, 1, 3)"),
    "depth to space": ("DepthToSpace", {"blocksize": 2}, {}, (2, 8, 2, 3), ""),
    "pixel shuffle": (
        "DepthToSpace",
        {"blocksize": 2, "mode": "CRD"},
        {},
        (2, 8, 2, 3),
        "F.pixel_shuffle(x, 2)",
    ),
    "space to depth": ("SpaceToDepth", {"blocksize": 3}, {}, (1, 2, 6, 3), ""),
}
"""Operator, attributes, constant inputs, shape, and what it is in torch."""


def parts(name: str) -> tuple[list[onnx.NodeProto], dict[str, Any], dict[str, Any]]:
    operator, attributes, constants, shape, _ = CASES[name]
    one = node(operator, " ".join(["x", *constants]), "y", **attributes)
    return [one], {"x": random(*shape)}, {each: np.array(value) for each, value in constants.items()}


@pytest.mark.parametrize("name", CASES)
def test_finite_differences(name: str) -> None:
    check(*parts(name))


@pytest.mark.keras
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[-1]])
def test_torch(name: str) -> None:
    torch = find_torch()
    nodes, inputs, constants = parts(name)
    names = {"torch": torch, "F": torch.nn.functional}
    check_with_torch(nodes, inputs, lambda x: eval(CASES[name][-1], names, {"x": x}), constants)


@pytest.mark.keras
@settings(max_examples=20, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_concat_and_split_in_torch(data: st.DataObject, seed: int) -> None:
    """Parts of random sizes, which are joined along one axis, and some of which are used again."""
    torch = find_torch()
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    used = data.draw(st.integers(0, len(sizes) - 1))
    axis = data.draw(st.sampled_from([1, -2]))
    inputs = {f"x{place}": random(2, size, 3, seed=seed + place) for place, size in enumerate(sizes)}
    outputs = [f"part{place}" for place in range(len(sizes))]
    nodes = [
        node("Concat", " ".join(inputs), "whole", axis=axis),
        node("Split", "whole sizes", " ".join(outputs), axis=axis),
        node("Mul", f"part{used} part{used}", "square"),
        node("Concat", "square whole", "y", axis=axis),
    ]
    check_with_torch(
        nodes,
        inputs,
        lambda *xs: torch.cat([xs[used] ** 2, *xs], dim=axis),
        {"sizes": np.array(sizes)},
    )


@pytest.mark.parametrize(("opset", "given"), [(11, {"split": [1, 3]}), (18, {"num_outputs": 2})])
def test_split_of_old_and_new_opsets(opset: int, given: dict[str, Any]) -> None:
    nodes = [node("Split", "x", "a b", axis=1, **given), node("Mul", "a a", "y")]
    check(nodes, {"x": random(2, 4)}, opset=opset)


def test_other_widths_of_numbers() -> None:
    x = random(2, 3)
    nodes = [
        node("Cast", "x", "half", to=onnx.TensorProto.FLOAT16),
        node("Mul", "half half", "square"),
        node("Cast", "square", "y", to=onnx.TensorProto.FLOAT),
    ]
    (found,) = derived(model_of(nodes, {"x": x}), {"x": x})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * x, rtol=2e-3)


def test_the_width_of_another_tensor() -> None:
    x, constants = {"x": random(2, 3)}, {"half": np.float16(1), "single": np.float32(1)}
    nodes = [
        node("CastLike", "x half", "h"),
        node("Mul", "h h", "square"),
        node("CastLike", "square single", "y"),
    ]
    (found,) = derived(model_of(nodes, x, constants), x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 2 * x["x"], rtol=2e-3)


def test_no_gradient_flows_through_integers() -> None:
    x = random(2, 3)
    nodes = [
        node("Cast", "x", "whole", to=onnx.TensorProto.INT32),
        node("Cast", "whole", "number", to=onnx.TensorProto.FLOAT),
        node("Add", "x number", "y"),
    ]
    np.testing.assert_array_equal(derived(model_of(nodes, {"x": x}), {"x": x})[0], np.ones((2, 3)))
    with pytest.raises(ModelError, match="no gradient flows"):
        derived(model_of(nodes[:2], {"x": x}), {"x": x})


def test_dropout_in_training_mode_is_refused() -> None:
    x = random(2, 3)
    model = model_of([node("Dropout", "x ratio on", "y")], {"x": x}, {"ratio": np.float32(0), "on": True})
    with pytest.raises(ModelError, match="training mode"):
        derived(model, {"x": x})
