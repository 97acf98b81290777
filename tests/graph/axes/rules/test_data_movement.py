"""Receptive fields through flips, mirror images, rolls and indices."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from dependence import WIDTH, H, W, check, last, widths
from onnx_graphs import node

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
