"""Crops: what one position depends on, and what computes it exactly."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import build, node, opened, random

from filterkit.graph.axes.crops import Crops

WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(4, 4, 3, 3, seed=1), "k": random(4, 4, 2, 2, seed=2)}
PADDED = {"pads": [1] * 4}

NETWORKS = {
    "padded": [node("Conv", "x w", "a", **PADDED), node("Conv", "a v", "y", **PADDED)],
    "unpadded": [node("Conv", "x w", "a"), node("Conv", "a v", "y")],
    "strided": [
        node("Conv", "x w", "a", strides=[2, 2], **PADDED),
        node("MaxPool", "a", "b", kernel_shape=[3, 3], strides=[2, 2]),
        node("Conv", "b v", "y", **PADDED),
    ],
    "same": [
        node("Conv", "x w", "a", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Conv", "a v", "y", strides=[2, 2], auto_pad="SAME_LOWER"),
    ],
    "dilated": [node("Conv", "x w", "a", dilations=[3, 2]), node("Conv", "a v", "y", strides=[3, 1])],
    "ceil": [
        node("Conv", "x w", "a"),
        node("AveragePool", "a", "b", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Conv", "b v", "y", **PADDED),
    ],
    "unequal paddings": [
        node("Conv", "x w", "a", pads=[0, 2, 1, 0]),
        node("Conv", "a v", "y", pads=[3, 0, 0, 1]),
    ],
    "sliced, then padded": [
        node("Conv", "x w", "a"),
        node("Slice", "a starts ends axes", "b"),
        node("Conv", "b v", "y", pads=[2] * 4),
    ],
    "down and up": [
        node("Conv", "x w", "a", **PADDED),
        node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
        node("MaxPool", "b", "c", kernel_shape=[2, 2], strides=[2, 2]),
        node("ConvTranspose", "c k", "d", strides=[2, 2]),
        node("Add", "d b", "e"),
        node("Resize", "e  scales", "f", mode="nearest"),
        node("Conv", "f v", "y", **PADDED),
    ],
}
CONSTANTS = WEIGHTS | {
    "starts": np.array([5, 3]),
    "ends": np.array([-4, -2]),
    "axes": np.array([2, 3]),
    "scales": np.array([1, 1, 2, 2], np.float32),
}


def model_of(name: str) -> onnx.ModelProto:
    nodes = [onnx.NodeProto.FromString(each.SerializeToString()) for each in NETWORKS[name]]
    for each in nodes:
        if each.op_type == "Resize":
            each.input[:] = ["e", "", "scales"]
    used = {name for each in nodes for name in each.input}
    return build(
        nodes,
        {"x": [1, 3, "H", "W"]},
        {name: value for name, value in CONSTANTS.items() if name in used},
        opset=17,
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(48, 64), (51, 45)])
@pytest.mark.parametrize("uniform", [False, True])
def test_a_crop_computes_the_same(name: str, size: tuple[int, int], uniform: bool) -> None:
    if name == "down and up" and size[0] % 4:
        pytest.skip("such a network takes multiples of 4")
    model = model_of(name)
    crops = Crops(opened(model), "x", "NCHW", (1, 3, *size))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    picture = random(1, 3, *size, seed=9)
    (whole,) = session.run(None, {"x": picture})
    height, width = whole.shape[2:]
    smaller = 0
    sizes = set()
    for y in {0, 1, height // 3, height // 2, height - 2, height - 1}:
        for x in {0, 1, width // 2, width // 2 + 1, width - 2, width - 1}:
            found = crops.at("y", "NCHW", (y, x), uniform=uniform)
            assert found is not None
            (top, bottom), (left, right) = (each.window for each in found)
            (part,) = session.run(None, {"x": picture[:, :, top:bottom, left:right]})
            place = [position - each.removed for position, each in zip((y, x), found, strict=True)]
            np.testing.assert_allclose(
                part[:, :, place[0], place[1]], whole[:, :, y, x], rtol=1e-4, atol=1e-5
            )
            sizes.add((bottom - top, right - left))
            smaller += (bottom - top) * (right - left) < size[0] * size[1] / 2
            _check_field(session, picture, whole, (y, x), found)
    assert smaller > 10
    assert len(sizes) == 1 or not uniform


def _check_field(
    session: object, picture: np.ndarray, whole: np.ndarray, place: tuple[int, int], found: tuple
) -> None:
    """What lies outside of the receptive field does not matter."""
    (top, bottom), (left, right) = (each.field for each in found)
    other = random(*picture.shape, seed=10)
    other[:, :, top:bottom, left:right] = picture[:, :, top:bottom, left:right]
    (values,) = session.run(None, {"x": other})  # type: ignore[attr-defined]
    np.testing.assert_allclose(values[:, :, *place], whole[:, :, *place], rtol=1e-4, atol=1e-5)


GLOBAL = {
    "norm": [node("Conv", "x w", "a"), node("InstanceNormalization", "a s z", "y")],
    "gate": [
        node("Conv", "x w", "a"),
        node("GlobalAveragePool", "a", "b"),
        node("Mul", "a b", "y"),
    ],
    "reversed": [node("Conv", "x w", "a"), node("Slice", "a starts ends axes steps", "y")],
}


@pytest.mark.parametrize("name", GLOBAL)
def test_what_depends_on_the_whole_picture_has_no_crop(name: str) -> None:
    constants = {
        "w": WEIGHTS["w"],
        "s": np.ones(4, np.float32),
        "z": np.zeros(4, np.float32),
        "starts": np.array([-1]),
        "ends": np.array([-1000]),
        "axes": np.array([3]),
        "steps": np.array([-1]),
    }
    graph = opened(build(GLOBAL[name], {"x": [1, 3, "H", "W"]}, constants, opset=17))
    crops = Crops(graph, "x", "NCHW", (1, 3, 30, 30))
    assert crops.at("y", "NCHW", (10, 10)) is None
    assert (crops.at("a", "NCHW", (10, 10)) is None) == (name == "reversed")  # exact for all nodes, or none


def test_other_tensors_and_layouts() -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "y")]
    crops = Crops(
        opened(build(nodes, {"x": [1, "H", "W", 3]}, {"w": WEIGHTS["w"]})), "x", "NHWC", (1, 20, 30, 3)
    )
    found = crops.at("y", "NCHW", (4, 5))
    assert found is not None
    assert [each.field for each in found] == [(4, 7), (5, 8)]
    assert crops.size("y") == (1, 4, 18, 28)
    assert crops.at("nothing", "NCHW", (4, 5)) is None
    assert crops.at("y", "NC", ()) is None
