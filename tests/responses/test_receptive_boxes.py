"""Receptive fields in pictures: what changes a position is inside its box, and only that."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, opened, random

from filterkit.responses.receptive_boxes import ReceptiveBoxes

NODES = [
    node("Conv", "x w", "a", pads=[1] * 4),
    node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
    node("Conv", "b v", "c", pads=[1] * 4),
    node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
    node("GlobalAveragePool", "c", "g"),
    node("Mul", "c g", "e"),
]
MODEL = build(
    NODES, {"x": ["N", 3, "H", "W"]}, {"w": random(4, 3, 3, 3), "v": random(5, 4, 3, 3, seed=1)}, opset=17
)
SIZE = (16, 20)


@pytest.fixture(scope="module")
def boxes() -> ReceptiveBoxes:
    return ReceptiveBoxes(opened(MODEL), "x", "NCHW", (1, 3, *SIZE))


@pytest.mark.parametrize(("y", "x"), [(0, 0), (3, 4), (7, 9), (0, 5)])
def test_a_box_contains_exactly_what_a_position_depends_on(boxes: ReceptiveBoxes, y: int, x: int) -> None:
    """Gradients of the linear part, by changing one pixel after the other."""
    whole = onnx.ModelProto.FromString(MODEL.SerializeToString())
    whole.graph.output.append(onnx.ValueInfoProto(name="c"))
    session = onnxruntime.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = random(1, 3, *SIZE, seed=5)
    changed = np.repeat(picture, SIZE[0] * SIZE[1], axis=0)
    for number in range(len(changed)):
        changed[number, :, number // SIZE[1], number % SIZE[1]] += 1000
    before, after = (session.run(["c"], {"x": each})[0][:, :, y, x] for each in (picture, changed))
    seen = (before != after).any(axis=1).reshape(SIZE)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    found = boxes.boxes("c", "NCHW", {"H": [y], "W": [x]}, ([SIZE[0]], [SIZE[1]]))
    box = [int(each[0]) for each in found[:4]]
    assert box == [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
    assert bool(found.at_border[0]) == (y in (0, 7) or x in (0, 9))
    last = boxes.boxes("d", "NHWC", {"H": [y], "W": [x]}, ([SIZE[0]], [SIZE[1]]))
    assert [int(each[0]) for each in last[:4]] == box


def test_boxes_are_in_the_pixels_of_the_original(boxes: ReceptiveBoxes) -> None:
    found = boxes.boxes("a", "NCHW", {"H": [5, 5], "W": [7, 7]}, ([16, 40], [20, 10]))
    assert found.top.tolist() == [4, 10]
    assert found.bottom.tolist() == [7, 18]
    assert found.left.tolist() == [6, 3]
    assert found.right.tolist() == [9, 5]  # partly seen pixels included


@pytest.mark.parametrize("tensor", ["e", "unknown"])
def test_an_unbounded_field_is_the_whole_picture(boxes: ReceptiveBoxes, tensor: str) -> None:
    found = boxes.boxes(tensor, "NCHW", {"H": [2], "W": [3]}, ([32], [20]))
    assert [int(each[0]) for each in found] == [0, 0, 32, 20, 1]
