"""Networks with every kind of layer, to be expanded, and the same networks without activations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx_graphs import build, node, random

Nodes = list[onnx.NodeProto]

CONSTANTS = {
    "sizes": np.array([1, 1, 2, 2], np.float32),
    "w1": random(3, 2, 5),
    "v1": random(2, 3, 5, seed=1),
    "w3": random(2, 1, 3, 3, 3),
    "v3": random(3, 2, 3, 3, 3, seed=1),
    "w": random(4, 3, 3, 3),
    "v": random(6, 4, 3, 3, seed=1),
    "g": random(6, 2, 3, 3, seed=2),
    "t": random(4, 3, 4, 4, seed=3),
    "p": random(4, 4, 1, 1, seed=4),
    "u": random(6, 8, 3, 3, seed=5),
    **dict(zip(("scale", "mean"), random(2, 4, seed=6), strict=True)),
    "bias": random(4, seed=7),
    "variance": np.abs(random(4, seed=8)) + 0.5,
    "three": np.float32(3),
    "half": np.float32(0.5),
    "root": np.float32(2**0.5),
    "one": np.float32(1),
    "low": np.float32(0),
    "six": np.float32(6),
    "upper": np.array([2, 0], np.int64),
    "lower": np.array([-1, 2**31], np.int64),
    "hw": np.array([2, 3], np.int64),
}
FIRST = node("Conv", "x w", "a", name="first", pads=[1] * 4)
SAME = {"name": "last", "pads": [1] * 4}
PICTURE = (1, 3, 25, 27)

NETWORKS: dict[str, tuple[Nodes, tuple[int, ...]]] = {
    "one": ([node("Conv", "x w", "y", name="last", pads=[1] * 4)], PICTURE),
    "two": ([FIRST, node("Relu", "a", "b"), node("Conv", "b v", "y", **SAME)], PICTURE),
    "strided": (
        [
            node("Conv", "x w", "a", name="first", pads=[1] * 4, strides=[2, 1]),
            node("Relu", "a", "b"),
            node("Conv", "b v", "y", strides=[2, 2], **SAME),
        ],
        PICTURE,
    ),
    "dilated": (
        [FIRST, node("Conv", "a v", "y", name="last", dilations=[2, 3], pads=[2, 3, 2, 3])],
        PICTURE,
    ),
    "grouped": ([FIRST, node("LeakyRelu", "a", "b"), node("Conv", "b g", "y", group=2, **SAME)], PICTURE),
    "same pads": (
        [
            node("Conv", "x w", "a", name="first", auto_pad="SAME_UPPER", strides=[2, 2]),
            node("Conv", "a v", "y", name="last", auto_pad="SAME_LOWER", strides=[2, 2]),
        ],
        PICTURE,
    ),
    "pooled": (
        [
            FIRST,
            node("MaxPool", "a", "b", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1),
            node("Conv", "b v", "y", **SAME),
        ],
        PICTURE,
    ),
    "transposed": (
        [FIRST, node("ConvTranspose", "a t", "y", name="last", strides=[2, 2], pads=[1] * 4)],
        PICTURE,
    ),
    "upsampled": (
        [
            node("Conv", "x w", "a", name="first", pads=[1] * 4, strides=[2, 2]),
            node("Resize", "a _ sizes", "b", mode="nearest"),
            node("Conv", "b v", "y", **SAME),
        ],
        (1, 3, 27, 29),
    ),
    "residual": (
        [
            FIRST,
            node("Relu", "a", "b"),
            node("Conv", "b p", "c", name="point"),
            node("Add", "b c", "d"),
            node("Conv", "d v", "y", **SAME),
        ],
        PICTURE,
    ),
    "concatenated": (
        [
            FIRST,
            node("Sigmoid", "a", "b"),
            node("MaxPool", "a", "c", kernel_shape=[3, 3], pads=[1] * 4),
            node("Concat", "b c", "d", axis=1),
            node("Conv", "d u", "y", **SAME),
        ],
        PICTURE,
    ),
    "normalized": (
        [
            FIRST,
            node("BatchNormalization", "a scale bias mean variance", "b"),
            node("Relu", "b", "c"),
            node("Conv", "c v", "y", **SAME),
        ],
        PICTURE,
    ),
    "NHWC": (
        [
            node("Transpose", "x", "n", perm=[0, 3, 1, 2]),
            node("Conv", "n w", "a", name="first"),
            node("Relu", "a", "b"),
            node("Conv", "b v", "c", name="last"),
            node("Transpose", "c", "y", perm=[0, 2, 3, 1]),
        ],
        (1, 25, 27, 3),
    ),
    "cropped": (
        [FIRST, node("Slice", "a upper lower hw", "b"), node("Conv", "b v", "y", **SAME)],
        PICTURE,
    ),
    "line": (
        [
            node("Conv", "x w1", "a", name="first", strides=[2]),
            node("Relu", "a", "b"),
            node("Conv", "b v1", "y", name="last", pads=[2, 2]),
        ],
        (1, 2, 101),
    ),
    "volume": (
        [
            node("Conv", "x w3", "a", name="first", pads=[1] * 6),
            node("MaxPool", "a", "b", kernel_shape=[1, 2, 2], strides=[1, 2, 2]),
            node("Conv", "b v3", "y", name="last", pads=[0, 1, 1, 0, 1, 1]),
        ],
        (1, 1, 9, 16, 18),
    ),
}


def saved(nodes: Nodes, shape: tuple[int, ...], path: Path) -> Path:
    names = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in names}
    onnx.save(build(nodes, {"x": list(shape)}, constants, opset=17), path)
    return path


def linearized(nodes: Nodes) -> Nodes:
    """The same network without activations, and with means for maxima."""
    found = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
    for each in found:
        if each.op_type in ("Relu", "LeakyRelu", "Sigmoid"):
            each.CopyFrom(node("Identity", each.input[0], each.output[0]))
        each.op_type = each.op_type.replace("MaxPool", "AveragePool")
    return found
