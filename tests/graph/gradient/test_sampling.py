"""Gradients of GridSample."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError

PADDINGS = ["zeros", "border", "reflection"]


def inputs(seed: int = 0, spread: float = 1.0) -> dict[str, np.ndarray]:
    """A picture, and places inside it and around it."""
    return {
        "x": random(2, 3, 4, 5, seed=seed),
        "grid": random(2, 3, 2, 2, seed=seed + 1) * np.float32(spread),
    }


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_differences(mode: str, padding: str, corners: int) -> None:
    given = inputs()
    constants = {} if mode == "bilinear" else {"grid": given.pop("grid")}
    nodes = [node("GridSample", "x grid", "y", mode=mode, padding_mode=padding, align_corners=corners)]
    check(nodes, given, constants, step=1e-3, tolerance=3e-3)


@pytest.mark.keras
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), spread=st.sampled_from([0.5, 1.0, 3.0]))
def test_torch(padding: str, corners: bool, seed: int, spread: float) -> None:
    sample = find_torch().nn.functional.grid_sample
    check_with_torch(
        [node("GridSample", "x grid", "y", mode="linear", padding_mode=padding, align_corners=int(corners))],
        inputs(seed, spread),
        lambda x, grid: sample(x, grid, "bilinear", padding, corners),
        opset=20,
        tolerance=2e-5,
    )


def test_cubic_is_named() -> None:
    with pytest.raises(ModelError, match=r"'y' \(GridSample\) has no gradient: its mode is cubic"):
        derived(model_of([node("GridSample", "x grid", "y", mode="cubic")], inputs(), opset=20), inputs())
