"""Networks with a layer ``conv`` of 4 filters, whose filters can be zeroed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx_graphs import build, node, random

W, B = random(4, 3, 3, 3), random(4, seed=5)
V, U = random(6, 4, 3, 3, seed=1), random(6, 4, 3, 3, seed=2)
CONV = node("Conv", "x w b", "a", name="conv", pads=[1] * 4)
RELU = node("Relu", "a", "r")
LAST = node("Conv", "r v", "l", name="last", pads=[1] * 4)
END = [node("GlobalAveragePool", "l", "g"), node("Flatten", "g", "y")]
FREE = ["N", 3, "H", "W"]
BATCH_NORM = {
    "gamma": np.array([1, -2, 0.5, 0], np.float32),
    "beta": np.array([1, 2, -3, 4], np.float32),
    "mean": random(4, seed=7),
    "variance": np.array([1, 2, 3, 4], np.float32),
}


def branch(name: str, *nodes: onnx.NodeProto, output: str = "l") -> onnx.GraphProto:
    nodes[-1].output[:] = [name]
    return helper.make_graph([*nodes], name, [], [helper.make_tensor_value_info(name, 1, None)])


def in_an_if() -> list[onnx.NodeProto]:
    """The layer is in the branch that is taken; the skip connection comes from outside."""
    conv = node("Conv", "x w b", "a", name="conv", pads=[1] * 4)
    relu, last = node("Relu", "a", "r"), node("Conv", "r v", "l", name="last", pads=[1] * 4)
    other = node("Conv", "x other", "m", name="other", pads=[1] * 4)
    makes = {"then_branch": branch("yes", conv, relu, last), "else_branch": branch("no", other)}
    return [
        node("ReduceMean", "x", "mean_of_x", keepdims=0),
        node("Less", "mean_of_x limit", "condition"),
        helper.make_node("If", ["condition"], ["l"], name="if", **makes),
        *END,
    ]


def in_a_loop() -> list[onnx.NodeProto]:
    """The layer runs three times, on its own output."""
    inner = [
        node("Conv", "state w4 b", "a", name="conv", pads=[1] * 4),
        node("Relu", "a", "r"),
        node("Identity", "more", "again"),
    ]
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        inner,
        "body",
        [info("count", 7, []), info("more", 9, []), info("state", 1, None)],
        [info("again", 9, []), info("r", 1, None)],
    )
    return [
        node("Conv", "x w", "start", name="first", pads=[1] * 4),
        helper.make_node("Loop", ["three", "true", "start"], ["r4"], name="loop", body=body),
        node("GlobalAveragePool", "r4", "g"),
        node("Flatten", "g", "y"),
    ]


NETWORKS: dict[str, tuple[list[onnx.NodeProto], list[Any], dict[str, Any]]] = {
    "plain": ([CONV, RELU, LAST, *END], FREE, {}),
    "fixed": ([CONV, RELU, LAST, *END], [1, 3, 12, 16], {}),
    "two at a time": (
        [CONV, RELU, LAST, node("GlobalAveragePool", "l", "g"), node("Reshape", "g sizes", "y")],
        [2, 3, 12, 16],
        {"sizes": np.array([2, 6])},
    ),
    "one at a time": (
        [CONV, RELU, LAST, node("GlobalAveragePool", "l", "g"), node("Reshape", "g sizes", "y")],
        [1, 3, 12, 16],
        {"sizes": np.array([1, 6])},
    ),
    "sizes of the input": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n"),
            node("Concat", "n six", "sizes", axis=0),
            *[CONV, RELU, LAST, node("GlobalAveragePool", "l", "g"), node("Reshape", "g sizes", "y")],
        ],
        FREE,
        {"zero": np.array([0]), "six": np.array([6])},
    ),
    "several readers": (
        [
            CONV,
            node("Sigmoid", "a", "s"),
            node("Conv", "a v", "m", pads=[1] * 4, name="before"),
            node("Conv", "s v", "n", pads=[1] * 4, name="after"),
            node("Concat", "m n", "l", axis=1),
            *END,
        ],
        FREE,
        {},
    ),
    "skip": (
        [
            node("Conv", "x u", "k", pads=[1] * 4, name="skipped"),
            *[CONV, RELU, node("Conv", "r v", "m", pads=[1] * 4, name="last")],
            *[node("Add", "m k", "sum"), node("Relu", "sum", "p"), node("Concat", "p x k", "l", axis=1)],
            *END,
        ],
        FREE,
        {"u": random(6, 3, 3, 3, seed=3)},
    ),
    "batch norm": (
        [
            CONV,
            node("BatchNormalization", "a gamma beta mean variance", "n"),
            node("Relu", "n", "r"),
            LAST,
            *END,
        ],
        FREE,
        BATCH_NORM,
    ),
    "grouped": (
        [
            node("Conv", "x six", "h", name="before"),
            node("Conv", "h w b", "a", name="conv", group=2),
            RELU,
            LAST,
            *END,
        ],
        FREE,
        {"six": random(6, 3, 1, 1), "w": random(4, 3, 3, 3)},
    ),
    "transposed": (
        [node("ConvTranspose", "x w b", "a", name="conv", strides=[2, 2]), RELU, LAST, *END],
        FREE,
        {"w": random(3, 4, 2, 2)},
    ),
    "channels last": (
        [
            node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
            node("Conv", "t w", "c", name="conv", pads=[1] * 4),
            node("Transpose", "c", "d", perm=[0, 2, 3, 1]),
            node("Add", "d b", "a"),
            node("Relu", "a", "r2"),
            node("Transpose", "r2", "r", perm=[0, 3, 1, 2]),
            *[LAST, *END],
        ],
        ["N", "H", "W", 3],
        {},
    ),
    "scores of all pixels": ([CONV, RELU, node("Conv", "r v", "y", name="last")], FREE, {}),
    "mixing": (
        [
            CONV,
            RELU,
            LAST,
            *END[:1],
            node("Flatten", "g", "f"),
            node("DynamicQuantizeLinear", "f", "q scale zero"),
            node("DequantizeLinear", "q scale zero", "y"),
        ],
        FREE,
        {},
    ),
    "in an if": (in_an_if(), FREE, {"other": random(6, 3, 3, 3), "limit": np.float32(1e9)}),
    "one dimension": (
        [node("Conv", "x w b", "a", name="conv"), RELU, node("Conv", "r v", "l", name="last"), *END],
        ["N", 3, "W"],
        {"w": random(4, 3, 5), "v": random(6, 4, 3)},
    ),
    "three dimensions": (
        [node("Conv", "x w b", "a", name="conv"), RELU, node("Conv", "r v", "l", name="last"), *END],
        ["N", 3, 4, 8, 8],
        {"w": random(4, 3, 2, 3, 3), "v": random(6, 4, 1, 3, 3)},
    ),
    "quantized": (
        [
            node("QuantizeLinear", "x xscale zero", "q"),
            node("QLinearConv", "q xscale zero w wscale wzero yscale zero b", "a", name="conv"),
            node("DequantizeLinear", "a yscale zero", "d"),
            node("Relu", "d", "r"),
            LAST,
            *END,
        ],
        FREE,
        {
            "xscale": np.float32(0.05),
            "zero": np.array(120, np.uint8),
            "w": np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
            "wscale": np.float32(0.01),
            "wzero": np.array(0, np.int8),
            "yscale": np.float32(0.1),
            "b": np.array([500, -500, 1000, 0], np.int32),
        },
    ),
    "integers": (
        [
            node("DynamicQuantizeLinear", "x", "q scale zero"),
            node("ConvInteger", "q w zero", "i", name="conv"),
            node("Cast", "i", "f", to=1),
            node("Mul", "scale wscale", "s"),
            node("Mul", "f s", "m"),
            node("Reshape", "b column", "bias"),
            node("Add", "m bias", "a"),
            RELU,
            LAST,
            *END,
        ],
        FREE,
        {
            "w": np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
            "wscale": np.float32(0.01),
            "column": np.array([1, 4, 1, 1]),
        },
    ),
    "old": ([CONV, RELU, LAST, *END], FREE, {}),
    "in a loop": (
        in_a_loop(),
        FREE,
        {"three": np.array(3), "true": np.array(True), "w4": random(4, 4, 3, 3)},
    ),
}
"""Nodes, shape of the input, and constants besides w, b and v, by name."""

OPSETS = {"old": 8}


def model_of(name: str) -> onnx.ModelProto:
    nodes, shape, constants = NETWORKS[name]
    copies = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
    used = {"w": W, "b": B, "v": V} | constants
    return build(copies, {"x": shape}, used, opset=OPSETS.get(name, 17))


def example(name: str, seed: int = 0) -> np.ndarray:
    shape = [2 if axis == "N" else axis if isinstance(axis, int) else 14 for axis in NETWORKS[name][1]]
    return random(*shape, seed=seed)


def without(model: onnx.ModelProto, number: int, *, transposed: bool = False) -> onnx.ModelProto:
    """The model with the weights and the bias of a filter of ``conv`` zeroed by hand."""
    result = onnx.ModelProto.FromString(model.SerializeToString())
    names = {"w4"} if any(tensor.name == "w4" for tensor in result.graph.initializer) else {"w"}
    for tensor in result.graph.initializer:
        if tensor.name in names | {"b"}:
            values = numpy_helper.to_array(tensor).copy()
            values[(slice(None), number) if transposed and tensor.name == "w" else number] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return result


def outputs(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """The output for the inputs of a batch, one after the other if the batch size is free."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    if isinstance(session.get_inputs()[0].shape[0], int):
        return session.run(["y"], {"x": x})[0]
    return np.concatenate([session.run(["y"], {"x": x[place : place + 1]})[0] for place in range(len(x))])
