"""Receptive fields through Reshapes, flips and other moves, compared with what outputs depend on."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from dependence import SPLIT, H, W, check, last, reshape, widths
from onnx_graphs import node, random


@pytest.mark.parametrize("perm", [[0, 3, 5, 1, 2, 4], [0, 1, 3, 5, 2, 4], [0, 5, 3, 1, 2, 4]])
def test_space_to_depth_as_reshapes(perm: list[int]) -> None:
    nodes = [reshape("x", "r"), node("Transpose", "r", "t", perm=perm), reshape("t", "s")]
    layer = check(nodes, 8, **SPLIT)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))
    assert layer.global_context is False
    assert layer.output_shape == (1, 1, H // 2, W // 2)


def test_space_to_depth_as_an_operator_and_as_slices() -> None:
    layer = check([node("SpaceToDepth", "x", "s", blocksize=2)], 8)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))
    starts = {f"b{place}": [place // 2, place % 2] for place in range(4)}
    nodes = [node("Slice", f"x b{place} end axes two", f"q{place}") for place in range(4)]
    nodes.append(node("Concat", "q0 q1 q2 q3", "s", axis=1))
    sliced = check(nodes, 8, **starts, end=[999, 999], axes=[2, 3], two=[2, 2])
    assert sliced.receptive_field == (6, 6)
    one_by_one = [
        *(node("Slice", f"x row{place} far h step", f"r{place}") for place in range(2)),
        *(node("Slice", f"r{place // 2} row{place % 2} far v step", f"q{place}") for place in range(4)),
        node("Concat", "q0 q1 q2 q3", "s", axis=1),
    ]
    constants = {"row0": [0], "row1": [1], "far": [2**31 - 1], "h": [2], "v": [3], "step": [2]}
    assert check(one_by_one, 8, **constants).receptive_field == (6, 6)


def test_halves_that_are_merged_in_another_order_are_not_whole() -> None:
    """Rows as (first half or second half, row) are far apart: nothing is followed."""
    nodes = [reshape("x", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]), reshape("t", "s")]
    constants = {"r_shape": [1, 2, 2, H // 2, W], "s_shape": [1, 4, H // 2, W]}
    layer, sees = last(nodes, 4, **constants)
    assert layer.receptive_field is None
    assert max(widths(sees[0])) > H // 2


@pytest.mark.parametrize("order", ["DCR", "CRD"])
def test_depth_to_space_as_reshapes(order: str) -> None:
    """DCR and CRD differ in the channels alone."""
    perm = [0, 3, 4, 1, 5, 2] if order == "DCR" else [0, 1, 4, 2, 5, 3]
    nodes = [
        node("Conv", "x wide", "c"),
        reshape("c", "r"),
        node("Transpose", "r", "t", perm=perm),
        reshape("t", "s"),
    ]
    wide = np.ones((8, 2, 1, 1), np.float32)
    layer = check(nodes, 2, wide=wide, r_shape=[1, 2, 2, 2, H, W], s_shape=[1, 2, 2 * H, 2 * W])
    assert (layer.receptive_field, layer.jump) == ((2, 2), (0.5, 0.5))
    plain = check(
        [node("Conv", "x wide", "c"), node("DepthToSpace", "c", "s", blocksize=2, mode=order)], 2, wide=wide
    )
    assert plain == layer


def test_there_and_back_is_nothing() -> None:
    """Windows of 4x4, as attention within windows makes them, and what is in them put back."""
    nodes = [
        reshape("x", "r"),
        node("Transpose", "r", "t", perm=[0, 2, 4, 3, 5, 1]),
        reshape("t", "m"),
        node("Relu", "m", "n"),
        reshape("n", "o"),
        node("Transpose", "o", "p", perm=[0, 5, 1, 3, 2, 4]),
        reshape("p", "s"),
    ]
    parts = H // 4, W // 4
    shapes = {
        "r_shape": [1, 2, parts[0], 4, parts[1], 4],
        "m_shape": [parts[0] * parts[1], 16, 2],
        "o_shape": [1, *parts, 4, 4, 2],
        "s_shape": [1, 2, H, W],
    }
    layer = check(nodes, 2, **shapes)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((3, 3), (1, 1), (1, 1))
    mixed = [*nodes[:3], node("Softmax", "m", "n", axis=1), *nodes[4:]]
    layer = check(mixed, 2, **shapes)
    assert (layer.receptive_field, layer.global_context) == ((8, 8), False)


def test_a_convolution_on_every_second_place_is_a_dilated_one() -> None:
    """Space to batch, a convolution, and back: what some exporters make of a dilated convolution."""
    nodes = [
        reshape("x", "r"),
        node("Transpose", "r", "t", perm=[3, 5, 0, 1, 2, 4]),
        reshape("t", "m"),
        node("Conv", "m v", "n", pads=[1] * 4),
        reshape("n", "o"),
        node("Transpose", "o", "p", perm=[2, 3, 4, 0, 5, 1]),
        reshape("p", "s"),
    ]
    shapes = {
        "r_shape": [1, 2, H // 2, 2, W // 2, 2],
        "m_shape": [4, 2, H // 2, W // 2],
        "o_shape": [2, 2, 1, 1, H // 2, W // 2],
        "s_shape": [1, 1, H, W],
    }
    layer = check(nodes, 1, v=np.ones((1, 2, 3, 3), np.float32), **shapes)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((7, 7), (1, 1), (3, 3))


def test_places_on_one_axis() -> None:
    """A 1x1 convolution over all places at once, between Reshapes."""
    nodes = [reshape("x", "r"), node("Conv", "r one", "c"), reshape("c", "s")]
    constants = {"r_shape": [1, 2, H * W], "s_shape": [1, 2, H, W], "one": np.ones((2, 2, 1), np.float32)}
    assert check(nodes, 2, **constants).receptive_field == (3, 3)
    beside = [*nodes[:2], node("Add", "c r", "d"), reshape("d", "s")]
    assert check(beside, 2, **constants).receptive_field == (3, 3)
    wide = [reshape("x", "r"), node("Conv", "r three", "c", pads=[1, 1]), reshape("c", "s")]
    layer, _ = last(wide, 2, **constants, three=np.ones((2, 2, 3), np.float32))
    assert (layer.receptive_field, layer.global_context) == (None, None)


@pytest.mark.parametrize(
    "cut",
    [
        node("Slice", "r zero few axis", "c"),
        node("Pad", "r behind", "c"),
        node("Split", "r parts", "c other", axis=2),
        node("Concat", "r more", "c", axis=2),
        node("Conv", "r one", "c", pads=[0, W]),
    ],
    ids=lambda cut: cut.op_type,
)
def test_places_that_become_more_or_fewer_are_followed_no_longer(cut: onnx.NodeProto) -> None:
    """Nothing says any more which of them are rows and which columns."""
    rows = H - 1 if cut.op_type in ("Slice", "Split") else H + 1
    nodes = [reshape("x", "r"), cut, reshape("c", "s")]
    constants = {
        "r_shape": [1, 2, H * W], "s_shape": [1, 2, rows * W // 2, 2], "zero": [0], "few": [(H - 1) * W],
        "axis": [2], "behind": [0, 0, 0, 0, 0, W], "parts": [(H - 1) * W, W],
        "more": np.ones((1, 2, W), np.float32), "one": np.ones((2, 2, 1), np.float32),
    }  # fmt: skip
    layer, _ = last(nodes, 2, **constants)
    assert layer.receptive_field is None


def test_places_that_were_convolved_in_between() -> None:
    """Tokens beside the same tokens behind a depthwise convolution over their picture."""
    nodes = [
        reshape("x", "r"),
        node("Conv", "x three", "c", pads=[1] * 4),
        reshape("c", "t"),
        node("Add", "r t", "d"),
        reshape("d", "s"),
    ]
    shapes = {"r_shape": [1, 2, -1], "t_shape": [1, 2, -1], "s_shape": [1, 2, H, W]}
    layer = check(nodes, 2, three=np.ones((2, 2, 3, 3), np.float32), **shapes)
    assert (layer.receptive_field, layer.offset) == ((5, 5), (2, 2))


def test_upsampling_as_reshapes() -> None:
    nodes = [reshape("x", "r"), node("Expand", "r e", "t"), reshape("t", "s")]
    shapes = {"r_shape": [1, 2, H, 1, W, 1], "e": [1, 2, H, 2, W, 2], "s_shape": [1, 2, 2 * H, 2 * W]}
    layer = check(nodes, 2, **shapes)
    assert (layer.receptive_field, layer.jump) == ((2, 2), (0.5, 0.5))


def test_pooling_as_reshapes() -> None:
    nodes = [reshape("x", "r"), node("ReduceMax", "r", "s", axes=[3, 5], keepdims=0)]
    layer = check(nodes, 2, **SPLIT)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((6, 6), (2, 2), (2, 2))


def test_group_norms_show_the_whole_picture() -> None:
    nodes = [
        reshape("x", "r"),
        node("InstanceNormalization", "r one zero", "n"),
        reshape("n", "o"),
        node("Mul", "o scale", "s"),
    ]
    constants = {
        "r_shape": [0, 1, -1],
        "o_shape": [1, 2, H, W],
        "one": np.ones(1, np.float32),
        "zero": np.zeros(1, np.float32),
        "scale": random(2, 1, 1),
    }
    layer, sees = last(nodes, 2, **constants)
    assert layer.receptive_field == (3, 3)
    assert layer.global_context is True
    assert all(seen.all() for seen in sees)


def test_halves_that_are_convolved_apart() -> None:
    nodes = [
        node("Split", "x", "a b", axis=2),
        node("Conv", "a three", "c", pads=[1] * 4),
        node("Conv", "b five", "d", pads=[2] * 4),
        node("Concat", "c d", "s", axis=2),
    ]
    weights = {"three": np.ones((2, 2, 3, 3), np.float32), "five": np.ones((2, 2, 5, 5), np.float32)}
    layer, sees = last(nodes, 2, **weights)
    assert layer.receptive_field == (7, 7)
    assert max(widths(sees[1])) == 7


def test_einsum_sums_over_what_is_not_in_the_output() -> None:
    mixed = [node("Einsum", "x one", "s", equation="nchw,dc->ndhw")]
    one = np.ones((2, 2), np.float32)
    layer = check(mixed, 2, one=one)
    assert (layer.receptive_field, layer.global_context) == ((3, 3), False)
    gate = [node("Einsum", "x", "p", equation="nchw->nc"), reshape("p", "q"), node("Mul", "x q", "s")]
    layer, sees = last(gate, 2, q_shape=[1, 2, 1, 1])
    assert (layer.receptive_field, layer.global_context) == ((3, 3), True)
    assert all(seen.all() for seen in sees)
    layer, _ = last([node("Einsum", "x diagonal", "s", equation="nchw,cc->nchw")], 2, diagonal=one)
    assert (layer.receptive_field, layer.global_context) == (None, None)


@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize("how", ["operators", "reshapes", "slices"])
def test_space_to_depth_and_back(how: str, block: int) -> None:
    """Nothing has moved, which is seen where no slices were put on each other in between."""
    split = {"r_shape": [1, 2, H // block, block, W // block, block]}
    merged = [1, 2 * block**2, H // block, W // block]
    there: list[onnx.NodeProto] = [node("SpaceToDepth", "x", "d", blocksize=block)]
    if how == "reshapes":
        there = [reshape("x", "r"), node("Transpose", "r", "t", perm=[0, 3, 5, 1, 2, 4]), reshape("t", "d")]
    if how == "slices":
        parts = [(row, column) for row in range(block) for column in range(block)]
        there = [node("Slice", f"x b{row}{column} end axes step", f"p{row}{column}") for row, column in parts]
        there.append(node("Concat", " ".join(f"p{row}{column}" for row, column in parts), "d", axis=1))
        split = {f"b{row}{column}": [row, column] for row, column in parts}
        split |= {"end": [999, 999], "axes": [2, 3], "step": [block] * 2}
    back = node("DepthToSpace", "d", "s", blocksize=block)
    layer, sees = last([*there, back], 2, **split, d_shape=merged)
    assert max(widths(sees[0])) == 3
    assert layer.receptive_field == ((3, 3) if how != "slices" else (2 * block, 2 * block))
    assert layer.jump == (1, 1)


@pytest.mark.parametrize(
    "equation", ["...hw,dc->...hw", "nchw,dc->ndhw", "...chw,dc->...dhw", "nchw,cd", "n...w,dc->n...w"]
)
def test_einsum_with_dots_or_without_an_output(equation: str) -> None:
    nodes = [node("Einsum", "x one", "t" if "->" not in equation else "s", equation=equation)]
    if "->" not in equation:
        nodes.append(node("Transpose", "t", "s", perm=[2, 0, 1, 3]))
    layer = check(nodes, 2, one=np.ones((2, 2), np.float32))
    assert (layer.receptive_field, layer.global_context) == ((3, 3), False)
