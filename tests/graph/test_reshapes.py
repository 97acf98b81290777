"""Receptive fields through Reshapes, flips and other moves, compared with what outputs depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import banks, build, node, opened, random

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry

HEIGHT, WIDTH = H, W = 24, 16


def last(
    nodes: Sequence[onnx.NodeProto], channels: int, height: int = HEIGHT, width: int = WIDTH, **constants: Any
) -> tuple[LayerGeometry, Any]:
    """A 3x3 convolution behind nodes from ``x`` to ``s``: what it sees by the catalog, and in fact.

    The latter is one array per axis: whether output ``i`` depends on input ``j``.
    """
    closed = [*nodes, node("Conv", "s w", "y", pads=[1] * 4)]
    weights = {"w": np.ones((1, channels, 3, 3), np.float32)} | {
        name: np.asarray(value) for name, value in constants.items()
    }
    model = build(closed, {"x": [1, 2, height, width]}, weights)
    graph = opened(model)
    found = banks(graph)
    return trace_geometry(graph, found)[-1], dependence(model, height, width)


def dependence(model: onnx.ModelProto, height: int, width: int) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    plain = np.random.default_rng(0).uniform(1, 2, (1, 2, height, width)).astype(np.float32)
    before = session.run(["y"], {"x": plain})[0][0, 0]
    found = []
    for axis, size in enumerate((height, width)):
        columns = []
        for place in range(size):
            changed = plain.copy()
            np.moveaxis(changed, axis + 2, 0)[place] += 1
            after = session.run(["y"], {"x": changed})[0][0, 0]
            columns.append(np.any(after != before, axis=1 - axis))
        found.append(np.array(columns).T)
    return found


def widths(sees: Any) -> list[int]:
    """How wide the patches of the outputs in the middle are."""
    middle = sees[len(sees) // 3 : -(len(sees) // 3)]
    return [int(np.ptp(np.flatnonzero(row))) + 1 if row.any() else 0 for row in middle]


def check(nodes: Sequence[onnx.NodeProto], channels: int, **constants: Any) -> LayerGeometry:
    """The receptive field is exact, and so are jump and offset, as far as outputs lie on a grid."""
    layer, sees = last(nodes, channels, **constants)
    assert layer.receptive_field is not None and layer.jump is not None and layer.offset is not None
    for axis, seen in enumerate(sees):
        assert max(widths(seen)) == layer.receptive_field[axis]
        jump, offset = layer.jump[axis], layer.offset[axis]
        if jump >= 1:
            middle = len(seen) // 2
            assert np.flatnonzero(seen[middle])[0] == middle * jump - offset
    return layer


def reshape(source: str, target: str) -> onnx.NodeProto:
    made: onnx.NodeProto = node("Reshape", f"{source} {target}_shape", target)
    return made


SPLIT = {"r_shape": [1, 2, H // 2, 2, W // 2, 2], "s_shape": [1, 8, H // 2, W // 2]}


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


FLIPS = {
    "slice": node("Slice", "x start end axes step", "s"),
    "gather": node("Gather", "x back", "s", axis=3),
    "negative": node("Gather", "x negative", "s", axis=3),
}
FLIPPED = {
    "start": [-1], "end": [-(2**31)], "axes": [3], "step": [-1],
    "back": np.arange(WIDTH)[::-1].copy(), "negative": -1 - np.arange(WIDTH),
}  # fmt: skip


@pytest.mark.parametrize("how", FLIPS)
def test_flips(how: str) -> None:
    """The axis runs backwards: its offset is counted from the other edge."""
    layer, sees = last([FLIPS[how]], 2, **FLIPPED)
    assert (layer.receptive_field, layer.jump, layer.offset) == ((3, 3), (1, 1), (1, 1))
    assert layer.output_shape == (1, 1, H, W)
    assert set(widths(sees[1])) == {3}
    assert np.array_equal(sees[1], sees[1][::-1, ::-1])
    twice = [node("Identity", "x", "a"), renamed(FLIPS[how], "a", "b"), renamed(FLIPS[how], "b", "s")]
    assert check(twice, 2, **FLIPPED).offset == (1, 1)


def renamed(one: onnx.NodeProto, source: str, target: str) -> onnx.NodeProto:
    """The same node between other tensors."""
    other = onnx.NodeProto()
    other.CopyFrom(one)
    other.input[0], other.output[0] = source, target
    return other


def test_a_picture_beside_its_mirror_image_has_no_window() -> None:
    nodes = [renamed(FLIPS["slice"], "x", "b"), node("Add", "x b", "s")]
    layer, _ = last(nodes, 2, **FLIPPED)
    assert (layer.receptive_field, layer.global_context) == (None, None)


def test_flips_behind_strides() -> None:
    """Mirrored, and every second place: the offset depends on how the sizes come out."""
    nodes = [node("Conv", "x v", "c", strides=[2, 2]), renamed(FLIPS["slice"], "c", "s")]
    layer, sees = last(nodes, 1, v=np.ones((1, 2, 3, 3), np.float32), **FLIPPED)
    assert (layer.receptive_field, layer.jump) == ((7, 7), (2, 2))
    first = np.flatnonzero(sees[1][1])[-1] + 2
    assert layer.offset == (2, first - (WIDTH - 1))


def test_sequences_may_be_flipped_as_a_whole() -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[3, 0, 1, 2]),
        node("ReverseSequence", "t lengths", "r", time_axis=0, batch_axis=1),
        node("Transpose", "r", "s", perm=[1, 2, 3, 0]),
    ]
    layer, sees = last(nodes, 2, lengths=[WIDTH])
    assert (layer.receptive_field, layer.jump, layer.offset) == ((3, 3), (1, 1), (1, 1))
    assert np.array_equal(np.flatnonzero(sees[1][1]), [WIDTH - 3, WIDTH - 2, WIDTH - 1])
    layer, _ = last(nodes, 2, lengths=[WIDTH - 1])
    assert layer.receptive_field is None


@pytest.mark.parametrize("repeats", [2, 3, 16])
def test_upsampling_by_indices(repeats: int) -> None:
    indices = np.repeat(np.arange(W), repeats)
    layer = check([node("Gather", "x indices", "s", axis=3)], 2, indices=indices)
    assert layer.receptive_field == (3, 2)
    assert layer.jump == (1, 1 / repeats)


def test_indices_without_a_pattern() -> None:
    indices = np.random.default_rng(0).permutation(W)
    assert last([node("Gather", "x indices", "s", axis=3)], 2, indices=indices)[0].receptive_field is None
    rare = np.repeat(np.arange(W), 17)
    assert last([node("Gather", "x indices", "s", axis=3)], 2, indices=rare)[0].receptive_field is None


def test_padding_with_the_other_side_is_an_edge() -> None:
    """As for panoramas: the last columns before the first, the first behind the last."""
    nodes = [
        node("Slice", "x last far axis", "l"),
        node("Slice", "x first second axis", "r"),
        node("Concat", "l x r", "s", axis=3),
    ]
    constants = {"last": [-2], "far": [99], "first": [0], "second": [2], "axis": [3]}
    layer = check(nodes, 2, **constants)
    assert (layer.receptive_field, layer.offset) == ((3, 3), (1, 3))


def test_a_picture_that_is_rolled_and_rolled_back() -> None:
    nodes = [
        node("Slice", "x three far axis", "a"),
        node("Slice", "x zero three axis", "b"),
        node("Concat", "a b", "c", axis=-1),
        node("Slice", "c there far axis", "d"),
        node("Slice", "c zero there axis", "e"),
        node("Concat", "d e", "s", axis=-1),
    ]
    constants = {"three": [3], "far": [99], "axis": [3], "zero": [0], "there": [WIDTH - 3]}
    layer = check(nodes, 2, **constants)
    assert (layer.receptive_field, layer.offset) == ((3, 3), (1, 1))


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
