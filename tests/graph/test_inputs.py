"""Which input is the picture, told by where the first convolution finds its axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import FLOAT, banks, build, node, opened, random

from filterkit.graph import InputInfo, detect_input, open_graph


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "layout", "channels"),
    [
        ("vgg16", "NHWC", 3),
        ("open-nsfw", "NHWC", 3),
        ("mnist-cnn", "NCHW", 1),
        ("gtcrn", None, None),
        ("basic-pitch", None, None),
    ],
)
def test_zoo(zoo_model: Callable[[str], Path], name: str, layout: str | None, channels: int | None) -> None:
    graph = open_graph(zoo_model(name))
    info = detect_input(graph, banks(graph))
    assert info is not None
    assert (info.layout, info.channels) == (layout, channels)


@pytest.mark.parametrize(
    ("shape", "channels", "layout"),
    [
        (["N", 3, "H", "W"], 3, "NCHW"),
        ([1, 1, 28, 28], 1, "NCHW"),
        ([1, 4, 28, 28], 4, "NCHW"),
        ([1, 24, 28, 28], 24, None),
        (["N", 3, 100], 3, None),
        ([1, 3, 4, 28, 28], 3, None),
    ],
)
def test_a_picture_has_four_axes_and_one_three_or_four_channels(
    shape: Sequence[Any], channels: int, layout: str | None
) -> None:
    weight = random(2, channels, *(3,) * (len(shape) - 2))
    graph = opened(build([node("Conv", "x w", "y")], {"x": shape}, {"w": weight}))
    assert detect_input(graph, banks(graph)) == InputInfo("x", layout, channels, tuple(shape))


def test_a_small_picture_of_three_rows_is_not_taken_for_channels() -> None:
    """The layout comes from the graph, not from which axis happens to be 3 long."""
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "y")]
    graph = opened(build(nodes, {"x": [1, 3, 32, 1]}, {"w": random(2, 1, 3, 3)}))
    info = detect_input(graph, banks(graph))
    assert info is not None and (info.layout, info.channels) == ("NHWC", 1)


def test_the_picture_is_found_among_several_inputs() -> None:
    nodes = [node("Add", "x k", "s"), node("Conv", "s w", "c"), node("Mul", "c scale", "y")]
    constants = {"w": random(2, 3, 3, 3), "k": np.float32(1)}
    graph = opened(build(nodes, {"scale": [1], "x": [1, 3, 32, 32]}, constants))
    info = detect_input(graph, banks(graph))
    assert info is not None and (info.name, info.layout) == ("x", "NCHW")


def test_a_picture_that_only_branches_of_an_if_look_at() -> None:
    branches = {
        f"{name}_branch": onnx.helper.make_graph(
            [node("Conv", f"x {name}_w", name)],
            name,
            [],
            [onnx.helper.make_tensor_value_info(name, FLOAT, None)],
        )
        for name in ("then", "else")
    }
    nodes = [
        node("ReduceMean", "x", "mean", keepdims=0),
        node("Greater", "mean zero", "is_light"),
        node("If", "is_light", "y", **branches),
    ]
    weights = {f"{name}_w": random(4, 3, 3, 3) for name in ("then", "else")}
    graph = opened(build(nodes, {"x": [1, 3, 32, 32]}, {**weights, "zero": np.float32(0)}))
    assert detect_input(graph, banks(graph)) == InputInfo("x", "NCHW", 3, (1, 3, 32, 32))
