"""Values and gradients of pictures in chunks, in both layouts, with fixed batches and integer inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import DEFAULT_RUN, RunOptions
from filterkit.runtime import differentiable
from filterkit.runtime.differentiable import Differentiable, Entry, float_input, value_of
from filterkit.runtime.network import Target
from filterkit.runtime.network_cache import OpenNetworks
from filterkit.runtime.providers import CPU, Choice, probe

WEIGHTS = {"w": random(4, 3, 3, 3)}
PICTURES = random(7, 3, 8, 10, seed=2)


def network(
    nodes: list[onnx.NodeProto],
    shape: list[Any],
    layout: str = "NCHW",
    *,
    dtype: int = 1,
    batch: int | None = None,
    options: RunOptions = DEFAULT_RUN,
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
        options,
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


EACH = np.array([[0, 2, 3], [3, 0, 0], [1, 5, 7], [1, 2, 3], [2, 5, 0], [0, 2, 3], [3, 1, 6]])
"""Channel, y and x for each picture."""

LAST = [
    node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
    node("Conv", "t w", "a"),
    node("Transpose", "a", "b", perm=[0, 3, 2, 1]),  # N W H C
    node("Relu", "b", "y"),
]


@pytest.mark.parametrize("override", [None, "guided", "linear"])
@pytest.mark.parametrize(
    ("nodes", "shape", "layout", "own", "batch"),
    [
        (CONV, ["N", 3, "H", "W"], "NCHW", "NCHW", None),
        (CONV, [3, 3, 8, 10], "NCHW", "NCHW", 3),
        (LAST, ["N", "H", "W", 3], "NHWC", "NWHC", None),
    ],
)
def test_each_picture_has_a_channel_and_a_position(
    nodes: list[onnx.NodeProto],
    shape: list[Any],
    layout: str,
    own: str,
    batch: int | None,
    override: str | None,
) -> None:
    target = Target("conv", "y", own)
    made = replace(network(nodes, shape, layout, batch=batch), tensors={target: "y"}, target=target)
    values, gradients = made.gradients_of_each(PICTURES, EACH, override)
    for number, (channel, *position) in enumerate(EACH.tolist()):
        one = made.of((channel,)).gradients(PICTURES[number : number + 1], tuple(position), override)
        np.testing.assert_allclose(values[number], one[0][0], rtol=1e-5)
        np.testing.assert_allclose(gradients[number], one[1][0], atol=1e-6)
    assert len({key for key in made.opened._networks if "from_inputs=True" in repr(key)}) <= 1


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


POOLED = [node("Conv", "x w", "a"), node("MaxPool", "a", "y", kernel_shape=[2, 2], strides=[2, 2])]


def test_the_graph_is_built_for_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """For CUDA, without MaxUnpool, which it lacks; but run on the CPU."""
    built: list[onnx.ModelProto] = []
    open_session, cpu = differentiable.open_session, Choice("cpu", (CPU,))

    def opened(model: onnx.ModelProto, _: Choice, **__: Any) -> Any:
        built.append(model)
        return open_session(model, cpu)

    monkeypatch.setattr(differentiable, "open_session", opened)
    monkeypatch.setattr(differentiable, "choose", lambda provider: Choice(provider, (CPU,)))
    one, two = (
        network(POOLED, ["N", 3, "H", "W"], options=RunOptions(provider=provider)).gradients(
            PICTURES, "mean"
        )[1]
        for provider in ("cpu", "cuda")
    )
    found = [any(each.op_type == "MaxUnpool" for each in model.graph.node) for model in built]
    assert found == [True, False]
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.gpu
def test_cuda_computes_the_same_gradients() -> None:
    if not probe()["cuda"]["usable"]:
        pytest.skip(probe()["cuda"]["reason"])
    (cpu, cuda) = (
        network(POOLED, ["N", 3, "H", "W"], options=RunOptions(provider=provider)).gradients(
            PICTURES, "mean"
        )[1]
        for provider in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cpu, cuda, atol=5e-3 * np.abs(cpu).max())  # TensorFloat-32
