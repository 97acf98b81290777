"""A cut network: how many pictures run together, and what it reports of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

from filterkit.errors import RuntimeFailure
from filterkit.records import RunOptions
from filterkit.runtime import ablation as module
from filterkit.runtime.ablation import Ablation, runnable
from filterkit.runtime.network import Target

CONV, RELU = node("Conv", "x w b", "a", name="conv"), node("Relu", "a", "r")
WEIGHTS = {"w": random(40, 3, 3, 3), "b": random(40, seed=2), "v": random(2, 40, 1, 1, seed=1)}
LAST = node("Conv", "r v", "y")
LAYER = Target("conv", "a", "NCHW")


def ablation(folder: Path, *nodes: onnx.NodeProto, layout: str = "NCHW", **constants: object) -> Ablation:
    model = build([*nodes], {"x": ["N", 3, "H", "W"]}, WEIGHTS | constants, opset=17)
    onnx.save(model, folder / "net.onnx")
    return Ablation(
        runnable(folder / "net.onnx"),
        LAYER,
        40,
        Target("y", "y", layout),
        picture_input="x",
        layout="NCHW",
        options=RunOptions(provider="cpu"),
        folder=folder,
    )


def sizes(made: Ablation, side: int = 12, batch: int = 1) -> list[int]:
    state = made.head({"x": np.repeat(random(1, 3, side, side), batch, axis=0)}, batch)
    return [len(found) for found in made.without(state, [(number,) for number in range(40)])]


def test_several_pictures_run_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ablation(tmp_path, CONV, RELU, LAST)
    assert sizes(made) == [16, 16, 8]
    monkeypatch.setattr(module, "ELEMENTS", 40 * 22 * 22 * 5)
    assert sizes(made, side=24) == [5] * 8  # memory allows five
    monkeypatch.setattr(module, "ELEMENTS", 1)
    assert sizes(made, side=26) == [1] * 40
    assert sizes(made, batch=8) == [8] * 5


@pytest.mark.parametrize(
    "between",
    [
        [
            node("ReduceMax", "r", "m", axes=[0], keepdims=1),
            node("Add", "m one", "n"),
            node("Div", "r n", "d"),
            node("Conv", "d v", "y"),
        ],
        [node("Reshape", "r shape", "d"), node("Conv", "d v", "y")],
    ],
)
def test_one_at_a_time_where_pictures_affect_each_other(
    tmp_path: Path, between: list[onnx.NodeProto]
) -> None:
    made = ablation(tmp_path, CONV, RELU, *between, one=np.float32(1), shape=np.array([1, 40, 10, 10]))
    assert sizes(made) == [1] * 40


def test_values_do_not_depend_on_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ablation(tmp_path, CONV, RELU, LAST)
    state = made.head({"x": random(1, 3, 12, 12)})
    removed = [(number,) for number in range(40)]
    together = np.concatenate([*made.without(state, removed)])
    alone = np.concatenate([next(made.without(state, [each])) for each in removed])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    assert made.whole(state).shape == (1, 2, 10, 10)
    maps = made.maps(state)
    assert maps is not None
    assert maps.shape == (40, 10, 10)


def test_outputs_without_a_batch_axis_are_refused(tmp_path: Path) -> None:
    made = ablation(tmp_path, CONV, RELU, node("Reshape", "r flat", "y"), layout="NC", flat=np.array([-1, 2]))
    state = made.head({"x": random(1, 3, 12, 12)})
    with pytest.raises(RuntimeFailure, match="not separable by picture"):
        made.whole(state)


def test_a_target_before_the_layer(tmp_path: Path) -> None:
    assert not ablation(tmp_path, node("Neg", "x", "y"), CONV).depends
