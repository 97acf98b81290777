"""Which input is the picture, and its layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import FLOAT, banks, build, node, opened, random

from filterkit.errors import UsageError
from filterkit.graph.axes.trace import trace
from filterkit.graph.layers.picture_input import MOST_BANDS, InputInfo, picture_of
from filterkit.graph.loading.load import open_graph


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
    info = picture_of(graph, banks(graph), trace(graph, {}))
    assert info is not None
    assert (info.layout, info.channels) == (layout, channels)


@pytest.mark.parametrize(
    ("shape", "channels", "layout"),
    [
        (["N", 3, "H", "W"], 3, "NCHW"),
        ([1, 1, 28, 28], 1, "NCHW"),
        ([1, 4, 28, 28], 4, "NCHW"),
        ([1, 2, 28, 28], 2, "NCHW"),
        ([1, 24, 28, 28], 24, "NCHW"),
        ([1, MOST_BANDS, 9, 9], MOST_BANDS, "NCHW"),
        ([1, MOST_BANDS + 1, 9, 9], MOST_BANDS + 1, None),
        (["N", 3, 100], 3, None),
        ([1, 3, 4, 28, 28], 3, None),
    ],
)
def test_picture_has_four_axes_and_any_number_of_channels(
    shape: Sequence[Any], channels: int, layout: str | None
) -> None:
    weight = random(2, channels, *(3,) * (len(shape) - 2))
    graph = opened(build([node("Conv", "x w", "y")], {"x": shape}, {"w": weight}))
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo("x", layout, channels, tuple(shape))


def test_three_rows_are_not_taken_for_channels() -> None:
    """The layout comes from the graph, not from which axis happens to be 3 long."""
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "y")]
    graph = opened(build(nodes, {"x": [1, 3, 32, 1]}, {"w": random(2, 1, 3, 3)}))
    info = picture_of(graph, banks(graph), trace(graph, {}))
    assert info is not None and (info.layout, info.channels) == ("NHWC", 1)


def test_picture_among_several_inputs() -> None:
    nodes = [node("Add", "x k", "s"), node("Conv", "s w", "c"), node("Mul", "c scale", "y")]
    constants = {"w": random(2, 3, 3, 3), "k": np.float32(1)}
    graph = opened(build(nodes, {"scale": [1], "x": [1, 3, 32, 32]}, constants))
    info = picture_of(graph, banks(graph), trace(graph, {}))
    assert info is not None and (info.name, info.layout) == ("x", "NCHW")


def test_picture_read_only_in_branches_of_an_if() -> None:
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
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo("x", "NCHW", 3, (1, 3, 32, 32))


def slices(axis_steps: Sequence[tuple[int, int, int]]) -> tuple[list[Any], dict[str, Any]]:
    """x → q through consecutive slices of (axis, start, step)."""
    nodes, constants, last = [], {}, "x"
    for number, (axis, start, step) in enumerate(axis_steps):
        names = [f"{letter}{number}" for letter in "stae"]
        values = [start, -(2**31) if step < 0 else 2**31, axis, step]
        constants |= {name: np.array([value], np.int64) for name, value in zip(names, values, strict=True)}
        nodes.append(node("Slice", " ".join([last, *names]), f"q{number}"))
        last = f"q{number}"
    nodes.append(node("Identity", last, "q"))
    return nodes, constants


def stem(name: str) -> tuple[list[Any], dict[str, Any], int]:
    """Nodes x → q before a convolution of an NCHW picture, and the number of channels of q."""
    if name == "focus":
        nodes, constants = [], {}
        for row in (0, 1):
            for column in (0, 1):
                inner, values = slices([(2, row, 2), (3, column, 2)])
                rename = {each: f"{each}_{row}{column}" for one in inner for each in one.output} | {
                    each: f"{each}_{row}{column}" for each in values
                }
                for one in inner:
                    one.input[:] = [rename.get(each, each) for each in one.input]
                    one.output[:] = [rename[each] for each in one.output]
                nodes += inner
                constants |= {rename[each]: value for each, value in values.items()}
        return [*nodes, node("Concat", "q_00 q_10 q_01 q_11", "q", axis=1)], constants, 12
    if name == "depth":
        return [node("SpaceToDepth", "x", "q", blocksize=2)], {}, 12
    if name == "bgr":
        return *slices([(1, -1, -1)]), 3
    if name == "upside down":
        return *slices([(2, -1, -1)]), 3
    if name == "turned about":
        return *slices([(2, -1, -1), (3, -1, -1)]), 3
    if name == "red":
        return *slices([(1, 0, 3)]), 1
    if name == "gray":
        return [node("ReduceMean", "x", "q", axes=[1], keepdims=1)], {}, 1
    if name == "luma":
        return [node("Conv", "x luma", "q", name="luma")], {"luma": random(1, 3, 1, 1)}, 1
    if name == "swapped":
        return [node("Gather", "x order", "q", axis=1)], {"order": np.array([2, 0, 1])}, 3
    return [node("Concat", "x x", "q", axis=1)], {}, 6


STEMS = ("focus", "depth", "bgr", "upside down", "turned about", "red", "gray", "luma", "swapped", "twice")


@pytest.mark.parametrize("size", [[32, 48], ["H", "W"], [4, 4]])
@pytest.mark.parametrize("name", STEMS)
def test_picture_before_preprocessing_nodes(name: str, size: list[Any]) -> None:
    nodes, constants, channels = stem(name)
    shape = [1, 3, *size]
    weights = {"w": random(2, channels, 1, 1), **constants}
    graph = opened(build([*nodes, node("Conv", "q w", "y")], {"x": shape}, weights, opset=13))
    info = picture_of(graph, banks(graph), trace(graph, {}))
    assert info == InputInfo("x", "NCHW", 3, tuple(shape))


@pytest.mark.parametrize("name", [name for name in STEMS if name not in ("bgr", "swapped", "gray", "red")])
def test_picture_before_preprocessing_nodes_after_a_transpose(name: str) -> None:
    nodes, constants, channels = stem(name)
    turned = node("Transpose", "picture", "x", perm=[0, 3, 1, 2])
    weights = {"w": random(2, channels, 1, 1), **constants}
    nodes = [turned, *nodes, node("Conv", "q w", "y")]
    graph = opened(build(nodes, {"picture": [1, 32, 48, 3]}, weights, opset=13))
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo(
        "picture", "NHWC", 3, (1, 32, 48, 3)
    )


@pytest.mark.parametrize(("perm", "layout"), [([0, 1, 2, 3], "NCHW"), ([0, 3, 1, 2], "NHWC")])
@pytest.mark.parametrize("shape", [[1, 3, 3, 3], [1, 3, 32, 3], ["N", "a", "b", "c"], [1, 1, 9, 1]])
def test_ambiguous_sizes_are_decided_by_the_graph(shape: list[Any], perm: list[int], layout: str) -> None:
    channels = 1 if 1 in shape[1:] else 3
    nodes = [node("Transpose", "x", "t", perm=perm), node("Conv", "t w", "y")]
    graph = opened(build(nodes, {"x": shape}, {"w": random(2, channels, 1, 1)}))
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo("x", layout, channels, tuple(shape))


def test_gray_through_a_reshape() -> None:
    nodes = [node("Reshape", "x shape", "t"), node("Conv", "t w", "y")]
    constants = {"shape": np.array([-1, 1, 28, 28]), "w": random(2, 1, 3, 3)}
    graph = opened(build(nodes, {"x": ["N", 28, 28, 1]}, constants))
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo("x", "NHWC", 1, ("N", 28, 28, 1))


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({"state": [1, 16, 9, 9], "x": [1, 3, 9, 9]}, "x"),  # a recurrent network
        ({"mask": [1, 1, 16, 20], "x": [1, 3, 16, 20]}, "x"),
        ({"latent": [1, 4, 8, 8], "x": [1, 3, 16, 16]}, "x"),
        ({"depth": [1, 1, 9, 9], "x": [1, 4, 9, 9]}, "x"),
        ({"state": [1, 16, 9, 9], "gray": [1, 1, 9, 9]}, "gray"),
        ({"x": [1, 3, 9, 9], "mask": [1, 1, 9, 9]}, "x"),
        ({"left": [1, 3, 9, 9], "right": [1, 3, 9, 9]}, "left"),  # among equals, the first that is read
        ({"late": [1, 16, 9, 9], "x": [1, 5, 9, 9]}, "late"),
    ],
)
def test_preference_among_several_pictures(inputs: dict[str, list[int]], found: str) -> None:
    first, second = inputs
    nodes = [
        node("Conv", f"{first} v", "a"),
        node("Conv", f"{second} w", "b"),
        node("GlobalAveragePool", "a", "p"),  # the pictures may differ in size
        node("GlobalAveragePool", "b", "q"),
        node("Add", "p q", "y"),
    ]
    weights = {"v": random(2, inputs[first][1], 3, 3), "w": random(2, inputs[second][1], 3, 3)}
    graph = opened(build(nodes, inputs, weights))
    info = picture_of(graph, banks(graph), trace(graph, {}))
    assert info is not None and (info.name, info.layout) == (found, "NCHW")


def test_picture_concatenated_with_a_mask() -> None:
    nodes = [node("Concat", "mask x", "q", axis=1), node("Conv", "q w", "y")]
    graph = opened(build(nodes, {"mask": [1, 1, 9, 9], "x": [1, 3, 9, 9]}, {"w": random(2, 4, 3, 3)}))
    assert picture_of(graph, banks(graph), trace(graph, {})) == InputInfo("x", "NCHW", 3, (1, 3, 9, 9))


def test_stated_input_is_compared_with_the_graph() -> None:
    nodes = [
        node("Conv", "l w", "a"),
        node("Conv", "r w", "b"),
        node("Sub", "a b", "c"),
        node("Add", "c s", "y"),
    ]
    inputs = {"l": [1, 3, 9, 9], "r": [1, 3, 9, 9], "s": [1]}
    graph = opened(build(nodes, inputs, {"w": random(2, 3, 3, 3)}))
    found, traced = banks(graph), trace(graph, {})
    assert picture_of(graph, found, traced, name="r") == InputInfo("r", "NCHW", 3, (1, 3, 9, 9))
    for stated, words in (
        ({"name": "q"}, "no input 'q'"),
        ({"name": "s"}, "has 1 axes; a picture has 4"),
        ({"name": "r", "layout": "NHWC"}, "is not NHWC: the network has its channels on axis 1"),
        ({"layout": "NHWC"}, "input 'l' .* is not NHWC"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            picture_of(graph, found, traced, **stated)
        assert caught.value.hint


@pytest.mark.parametrize("size", [0, -1, -7])
def test_sizes_of_zero_or_less_are_open(size: int) -> None:
    model = build([node("Conv", "x w", "y")], {"x": [size, 3, size, size]}, {"w": random(2, 3, 3, 3)})
    graph = opened(model)
    assert graph.inputs[0].shape == (None, 3, None, None)
    assert [each for each in graph.shape("y") or () if isinstance(each, int)] == [2]
