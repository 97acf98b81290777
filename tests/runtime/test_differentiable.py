"""Values and gradients of pictures in chunks, in both layouts, with fixed batches and integer inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import DEFAULT_RUN
from filterkit.runtime import differentiable
from filterkit.runtime.differentiable import Differentiable, Entry, float_input, value_of
from filterkit.runtime.network import Target
from filterkit.runtime.network_cache import OpenNetworks

WEIGHTS = {"w": random(4, 3, 3, 3)}
PICTURES = random(7, 3, 8, 10, seed=2)


def network(
    nodes: list[onnx.NodeProto],
    shape: list[Any],
    layout: str = "NCHW",
    *,
    dtype: int = 1,
    batch: int | None = None,
) -> Differentiable:
    model = build(nodes, {"x": shape}, WEIGHTS, opset=17)
    model.graph.input[0].type.tensor_type.elem_type = dtype
    target = Target("conv", "y", "NCHW")
    is_float = float_input(model, "x")
    return Differentiable(
        model,
        {target: "y"},
        target,
        (1, 2),
        Registry(load_plugins(discover=False)).gradient_rules(),
        Entry("x", layout, "float32" if is_float or dtype == 1 else "uint8", batch),
        Path("model.onnx"),
        DEFAULT_RUN,
        OpenNetworks(),
        ("test",),
    )


CONV = [node("Conv", "x w", "a", name="conv"), node("Relu", "a", "y")]


def expected() -> np.ndarray:
    """The total of two channels at y=2, x=3, by NumPy."""
    windows = PICTURES[:, :, 2:5, 3:6]
    return np.maximum(np.einsum("nchw,ochw->no", windows, WEIGHTS["w"])[:, 1:3], 0).sum(axis=1)


@pytest.mark.parametrize("pixels", [1, 8 * 10 * 3, 2**18])
def test_pictures_run_in_chunks(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    monkeypatch.setattr(differentiable, "PIXELS", pixels)
    made = network(CONV, ["N", 3, "H", "W"])
    np.testing.assert_allclose(made.values(PICTURES, (2, 3)), expected(), rtol=1e-4, atol=1e-5)
    values, gradients = made.gradients(PICTURES, (2, 3))
    np.testing.assert_allclose(values, expected(), rtol=1e-4, atol=1e-5)
    one = made.gradients(PICTURES[4:5], (2, 3))[1]
    np.testing.assert_allclose(gradients[4:5], one, atol=1e-6)
    assert gradients.shape == PICTURES.shape
    assert not gradients[:, :, 5:].any()


def test_a_fixed_batch_is_filled_up() -> None:
    made = network(CONV, [3, 3, 8, 10], batch=3)
    np.testing.assert_allclose(made.values(PICTURES, (2, 3)), expected(), rtol=1e-4, atol=1e-5)
    free = network(CONV, ["N", 3, "H", "W"])
    np.testing.assert_allclose(
        made.gradients(PICTURES, (2, 3))[1], free.gradients(PICTURES, (2, 3))[1], atol=1e-6
    )


def test_channels_last() -> None:
    turned = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "a"), CONV[1]]
    made, plain = network(turned, ["N", "H", "W", 3], "NHWC"), network(CONV, ["N", 3, "H", "W"])
    np.testing.assert_allclose(
        made.gradients(PICTURES, "mean")[1], plain.gradients(PICTURES, "mean")[1], atol=1e-6
    )


def test_integers_that_are_cast_become_floats() -> None:
    cast = [node("Cast", "x", "f", to=1), node("Conv", "f w", "a"), CONV[1]]
    made, plain = network(cast, ["N", 3, "H", "W"], dtype=2), network(CONV, ["N", 3, "H", "W"])
    np.testing.assert_allclose(
        made.gradients(PICTURES, "mean")[1], plain.gradients(PICTURES, "mean")[1], atol=1e-6
    )


def test_integers_that_are_used_as_such_stay() -> None:
    model = build(
        [node("Cast", "x", "f", to=1), node("Conv", "f w", "y"), node("Shape", "x", "s")],
        {"x": [1, 3, 8, 8]},
        WEIGHTS,
    )
    model.graph.input[0].type.tensor_type.elem_type = 2
    assert not float_input(model, "x")
    assert model.graph.input[0].type.tensor_type.elem_type == 2


def test_values_of_maps() -> None:
    maps = random(2, 4, 5, 6)
    np.testing.assert_allclose(value_of(maps, (1, 3), "mean"), maps[:, [1, 3]].mean((2, 3)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(value_of(maps, (1, 3), "max"), maps[:, [1, 3]].max((2, 3)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(value_of(maps, None, (2, 5)), maps[:, :, 2, 5].sum(1), rtol=1e-5)


def test_sessions_are_kept() -> None:
    made = network(CONV, ["N", 3, "H", "W"])
    made.gradients(PICTURES[:1], (2, 3))
    (key,) = made.opened._networks
    session = made.opened.find(key)
    made.gradients(PICTURES[1:2], (2, 3))
    assert list(made.opened._networks) == [key]
    assert made.opened.find(key) is session
