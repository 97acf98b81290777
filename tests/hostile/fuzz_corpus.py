"""Small graphs that hold between them everything the loader and the extractor have a rule for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import FLOAT, build, node, random


def corpus() -> dict[str, bytes]:
    """Serialized models by name."""
    return {name: model.SerializeToString() for name, model in _models()}


def _models() -> Iterator[tuple[str, onnx.ModelProto]]:
    weight = random(4, 3, 3, 3)
    yield (
        "plain",
        build(
            [node("Conv", "x w b", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "y")],
            {"x": ["N", 3, 16, 16]},
            {"w": weight, "b": random(4)},
        ),
    )
    yield (
        "chain",
        build(
            [
                node("Transpose", "w", "w1", perm=[3, 2, 0, 1]),
                node("Mul", "w1 s", "w2"),
                node("Reshape", "w2 shape", "w3"),
                node("Slice", "w3 zero four zero", "w4"),
                node("Conv", "x w4", "c", auto_pad="SAME_UPPER", strides=[2, 2]),
                node("Clip", "c low high", "y"),
            ],
            {"x": [1, 3, 16, 16]},
            {
                "w": random(3, 3, 3, 4),
                "s": np.float32(2),
                "shape": np.array([4, 3, 3, 3]),
                "zero": np.array([0]),
                "four": np.array([4]),
                "low": np.float32(0),
                "high": np.float32(6),
            },
        ),
    )
    yield (
        "bomb",
        build(
            [
                node("ConstantOfShape", "shape", "w"),
                node("Conv", "x w", "c"),
                node("Expand", "one shape", "w2"),
                node("Conv", "c w2", "d"),
                node("Tile", "one reps", "w3"),
                node("Conv", "d w3", "y"),
            ],
            {"x": [1, 3, 16, 16]},
            {
                "shape": np.array([3, 3, 2, 2]),
                "one": np.ones((1, 1, 1, 1), np.float32),
                "reps": np.array([3, 3, 1, 1]),
            },
        ),
    )
    yield (
        "quantized",
        build(
            [
                node("DequantizeLinear", "q s z", "w", axis=0),
                node("Conv", "x w", "c"),
                node("BatchNormalization", "c g b m v", "n"),
                node("Relu", "n", "r"),
                node("ConvTranspose", "r u", "t", group=2, strides=[2, 2], output_padding=[1, 1]),
                node("QLinearConv", "xq s1 z1 q s1 z1 s1 z1", "y"),
            ],
            {"x": [1, 3, 9, 9], "xq": [1, 3, 9, 9]},
            {
                "q": np.ones((4, 3, 3, 3), np.int8),
                "s": random(4),
                "z": np.zeros(4, np.int8),
                "u": random(4, 2, 2, 2),
                "s1": np.float32(0.1),
                "z1": np.int8(0),
                **{name: np.ones(4, np.float32) for name in "gbmv"},
            },
        ),
    )
    yield (
        "geometry",
        build(
            [
                node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
                node("Conv", "t w", "c", dilations=[2, 2]),
                node("MaxPool", "c", "p", kernel_shape=[2, 2], strides=[2, 2]),
                node("Resize", "p _ scales", "r", mode="linear"),
                node("Shape", "r", "sh"),
                node("Reshape", "r sh", "rr"),
                node("Concat", "rr rr", "cc", axis=1),
                node("Split", "cc", "a b", axis=1),
                node("Pad", "a pads", "pp"),
                node("Gather", "pp idx", "gg", axis=2),
                node("DepthToSpace", "gg", "ds", blocksize=2),
                node("Conv", "ds v", "y"),
            ],
            {"x": [1, 20, 20, 3]},
            {
                "w": weight,
                "v": random(2, 1, 3, 3),
                "scales": np.array([1, 1, 2, 2], np.float32),
                "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
                "idx": np.arange(8),
            },
        ),
    )
    yield "bodies", _with_bodies(weight)
    yield "sparse", _sparse()
    yield "function", _with_function(weight)


def _with_bodies(weight: np.ndarray) -> onnx.ModelProto:
    def branch(name: str) -> onnx.GraphProto:
        made = helper.make_tensor_value_info(name, FLOAT, None)
        constant = helper.make_node("Constant", [], [f"w_{name}"], value=numpy_helper.from_array(weight))
        return helper.make_graph(
            [constant, helper.make_node("Conv", ["x", f"w_{name}"], [name])], name, [], [made]
        )

    inner = helper.make_graph(
        [
            node("If", "cond", "z", then_branch=branch("a"), else_branch=branch("b")),
            node("Identity", "go", "go_on"),
        ],
        "loop",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("z", FLOAT, None),
        ],
    )
    return build(
        [node("Loop", "trips cond", "y", body=inner), node("Conv", "x w", "c")],
        {"x": [1, 3, 8, 8]},
        {"trips": np.int64(2), "cond": np.bool_(True), "w": weight},
        outputs=["y", "c"],
    )


def _sparse() -> onnx.ModelProto:
    model = build(
        [
            node("Conv", "x w", "c"),
            node("Constant", "", "v", value_floats=[1.0] * 36),
            node("Relu", "c", "y"),
        ],
        {"x": [1, 3, 8, 8]},
    )
    values = numpy_helper.from_array(np.ones(3, np.float32), "w")
    indices = numpy_helper.from_array(np.array([0, 5, 100]), "w_indices")
    model.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=values, indices=indices, dims=[4, 3, 3, 3])
    )
    return model


def _with_function(weight: np.ndarray) -> onnx.ModelProto:
    model = build(
        [node("Block", "x w", "y", domain="own"), node("Conv", "y v", "z")],
        {"x": [1, 3, 8, 8]},
        {"w": weight, "v": random(2, 4, 1, 1)},
    )
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(
        helper.make_function("own", "Block", ["a", "k"], ["o"], [node("Conv", "a k", "o")], opsets)
    )
    return model
