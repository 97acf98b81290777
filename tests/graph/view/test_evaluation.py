"""Constants of every deterministic operator: as ONNX Runtime computes them, within limits, or why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from computed import HALF, IMAGES, ONE, ROWS, SMALL, SQUARE, alone, made, reason, same
from onnx import TensorProto, helper
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.view.constants import NotConstant

OPSETS = (7, 9, 11, 13, 17, 20)

UNARY = (
    *("Sign", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh", "Tanh"),
    *("Sigmoid", "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign", "HardSigmoid", "Erf"),
    *("HardSwish", "Exp", "Floor", "Ceil", "Round", "ThresholdedRelu", "IsNaN", "IsInf", "Abs", "Neg"),
    *("Mish", "Gelu", "Softmax", "LogSoftmax", "Hardmax", "LpNormalization"),
)

BINARY = ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Min", "Max", "PRelu", "Mean", "Sum")


@pytest.mark.parametrize("operator", UNARY + BINARY)
def test_elementwise_operators_in_every_opset(operator: str) -> None:
    for opset in OPSETS:
        if onnx.defs.get_schema(operator).since_version > opset and not onnx.defs.has(operator, opset):
            continue
        second = random(4) if opset > 7 else random(3, 4, seed=1)
        inputs = [SMALL] if operator in UNARY else [SMALL, second]
        same(alone(operator, *inputs, opset=opset))


GAPS, MORE = np.float32([1, 1, 0.6, 0.6]), np.float32([1, 1, 2, 2])

NONE = np.zeros(0, np.float32)

ALIGNED = {"coordinate_transformation_mode": "align_corners"}

ROIS = np.float32([[0, 0, 3, 3]])

VECTORS = [random(3, seed=seed) for seed in range(3)]

CASES: list[tuple[str, tuple[Any, ...], int, dict[str, Any]]] = [
    *(("Softmax", (ROWS,), opset, {"axis": axis}) for opset in (7, 11, 13) for axis in (0, 1, 2)),
    *(
        ("Pad", (IMAGES,), 9, {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "mode": mode})
        for mode in ("edge", "reflect")
    ),
    ("Pad", (IMAGES, np.array([0, 0, 1, -1, 0, 0, -2, 1]), HALF), 13, {}),
    ("Pad", (IMAGES, np.array([1, 2]), None, np.array([-1])), 18, {"mode": "reflect"}),
    *(("Upsample", (IMAGES,), 7, {"scales": MORE.tolist(), "mode": mode}) for mode in ("nearest", "linear")),
    ("Upsample", (IMAGES, MORE), 9, {"mode": "linear"}),
    *(("Resize", (IMAGES, scales), 10, {"mode": "nearest"}) for scales in (GAPS, MORE)),
    *(("Resize", (IMAGES, NONE, GAPS), 11, {"mode": mode}) for mode in ("nearest", "linear", "cubic")),
    *(("Resize", (IMAGES, None, None, np.array([1, 2, 3, 7])), 18, {"mode": m}) for m in ("linear", "cubic")),
    ("Slice", (SMALL,), 9, {"starts": [1], "ends": [-1], "axes": [1]}),
    ("Clip", (SMALL,), 6, {"min": -0.5, "max": 0.5}),
    *(("Gemm", (SMALL, random(4, 5), random(5)), opset, {"alpha": 0.5, "beta": 2.0}) for opset in (7, 13)),
    *(("MatMul", (random(2, 3, 4), random(4, 5)), opset, {}) for opset in (9, 13)),
    ("MatMul", (random(3, 4, dtype=np.float64), random(4, 5, dtype=np.float64)), 13, {}),
    ("Einsum", (SMALL, random(4, 5)), 12, {"equation": "or,rk->ok"}),
    ("BatchNormalization", (ROWS, *VECTORS, np.abs(VECTORS[0])), 9, {}),
    ("BatchNormalization", (ROWS, *VECTORS, np.abs(VECTORS[0])), 15, {}),
    ("InstanceNormalization", (ROWS, *VECTORS[:2]), 9, {}),
    ("GroupNormalization", (random(2, 4, 3), random(2), random(2)), 18, {"num_groups": 2}),
    ("GroupNormalization", (random(2, 4, 3), random(4), random(4)), 21, {"num_groups": 2}),
    ("LayerNormalization", (SMALL, random(4), random(4)), 17, {}),
    ("LRN", (random(1, 5, 2, 2),), 13, {"size": 3}),
    ("LRN", (random(1, 5, 2, 2),), 13, {"size": 5, "alpha": 0.3, "bias": 2.0}),
    *(("LpNormalization", (SMALL,), 13, {"axis": 0, "p": p}) for p in (1, 2)),
    ("GlobalLpPool", (IMAGES,), 13, {"p": 3}),
    ("Dropout", (SMALL,), 10, {}),
    ("Dropout", (SMALL, HALF, np.array(False)), 13, {}),
    *(("Scatter", (SQUARE, np.array([[1, 0, 2]]), random(1, 3)), o, {"axis": 1}) for o in (9, 10)),
    ("ScatterElements", (SQUARE, np.array([[1, 0, 2]]), random(1, 3)), 16, {"reduction": "add"}),
    ("ScatterND", (SQUARE, np.array([[1], [1]]), random(2, 3)), 16, {"reduction": "mul"}),
    ("GatherElements", (SQUARE, np.array([[1, 0]])), 13, {"axis": 1}),
    ("GatherND", (SQUARE, np.array([[1], [0]])), 13, {}),
    ("OneHot", (np.array([0, -1, 1]), np.array(3), np.float32([0, 5])), 11, {"axis": 0}),
    ("Trilu", (SQUARE, np.array(1)), 14, {"upper": 0}),
    ("EyeLike", (SQUARE,), 9, {"k": 1}),
    ("Range", (np.float32(0), np.float32(3), HALF), 11, {}),
    ("CumSum", (SQUARE, np.array(1)), 14, {"reverse": 1}),
    *((window, (np.array(8),), 17, {}) for window in ("HannWindow", "HammingWindow", "BlackmanWindow")),
    ("MelWeightMatrix", (*map(np.array, (4, 16, 8000)), np.float32(20), np.float32(4000)), 17, {}),
    ("DFT", (random(1, 8, 1),), 17, {"axis": 1}),
    ("Where", (SMALL > 0, ONE, -ONE), 16, {}),
    ("ConvTranspose", (IMAGES, random(2, 3, 3, 3)), 11, {"strides": [2, 2]}),
    ("Conv", (IMAGES, random(3, 2, 3, 3), random(3)), 11, {"pads": [1, 1, 1, 1]}),
    ("AveragePool", (IMAGES,), 11, {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}),
    ("MaxPool", (IMAGES,), 11, {"kernel_shape": [2, 2]}),
    ("ConvInteger", (np.uint8(np.abs(IMAGES) * 9), np.uint8([[[[3]], [[4]]]])), 10, {}),
    ("ReverseSequence", (SQUARE, np.array([1, 2, 3])), 10, {"batch_axis": 1, "time_axis": 0}),
    ("DepthToSpace", (random(1, 8, 2, 2),), 11, {"blocksize": 2, "mode": "CRD"}),
    *((reduce, (np.abs(ROWS),), 11, {"axes": [1, -1]}) for reduce in ("ReduceProd", "ReduceLogSumExp")),
    ("Compress", (SQUARE, np.array([True, False, True])), 11, {"axis": 0}),
    ("NonZero", (SQUARE,), 13, {}),
    ("Det", (SQUARE,), 11, {}),
    ("GridSample", (random(1, 1, 4, 4), random(1, 3, 3, 2)), 16, {}),
    ("Col2Im", (random(1, 4, 4), np.array([3, 3]), np.array([2, 2])), 18, {}),
    ("Resize", (IMAGES, np.float32([1, 1, 2, 0.6])), 10, {"mode": "nearest"}),
    *(
        ("Resize", (IMAGES, NONE, np.float32([1, 1, 0.7, 1.5])), opset, ALIGNED | {"mode": mode})
        for mode in ("nearest", "linear", "cubic")
        for opset in (11, 18)
    ),
    ("Resize", (IMAGES, None, np.float32([0.7, 1.5])), 18, ALIGNED | {"mode": "linear", "axes": [3, 2]}),
    *(("RoiAlign", (IMAGES, ROIS, np.array([0])), opset, {"sampling_ratio": 2}) for opset in (10, 16)),
    *(("GridSample", (IMAGES, random(1, 3, 3, 2)), 16, {"mode": mode}) for mode in ("bilinear", "bicubic")),
    *(
        ("ConvTranspose", (IMAGES, random(2, 3, 3, 3)), 11, {"strides": [2, 2], "output_shape": s, **more})
        for s in ([10, 10], [9, 8])
        for more in ({}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"output_padding": [1, 0]})
    ),
    *(("Unique", (np.float32([2, 1, 1, 3, 0]),), 11, {"sorted": sort}) for sort in (0, 1)),
    ("Unique", (np.float32([[2, 1], [0, 3], [2, 1]]),), 11, {"sorted": 0, "axis": 0}),
    ("LSTM", (ROWS.reshape(3, 2, 4), random(1, 8, 4), random(1, 8, 2)), 14, {"hidden_size": 2}),
    ("Cast", (SMALL,), 13, {"to": TensorProto.FLOAT16}),
    ("Sigmoid", (SMALL.astype(np.float16),), 13, {}),
]


@pytest.mark.parametrize(("operator", "inputs", "opset", "values"), CASES)
def test_operators_against_onnxruntime(
    operator: str, inputs: tuple[Any, ...], opset: int, values: dict[str, Any]
) -> None:
    same(alone(operator, *inputs, opset=opset, **values))


@pytest.mark.parametrize("tensor", ["w", "first", "back", "counts"])
def test_every_output_of_unique(tensor: str) -> None:
    for options in ({"sorted": 0}, {"sorted": 1}, {"sorted": 0, "axis": 0}):
        values = np.float32([[2, 1], [0, 3], [2, 1]])
        same(alone("Unique", values, opset=11, outputs="w first back counts", **options), tensor)


RECURRENT = (random(3, 1, 2), random(1, 16, 2), random(1, 16, 4))


@pytest.mark.parametrize(
    "model",
    [
        alone("MaxPool", IMAGES, outputs="v w", kernel_shape=[2, 2]),
        alone("LSTM", *RECURRENT, hidden_size=4, activations=["Sigmoid", "Relu", "Tanh"]),
        alone("LSTM", *RECURRENT, hidden_size=4, clip=0.5),
        alone("LSTM", *RECURRENT, None, np.int32([2]), hidden_size=4),
    ],
    ids=["places", "activations", "clip", "lengths"],
)
def test_what_the_evaluator_would_compute_wrongly_is_not_computed(model: onnx.ModelProto) -> None:
    assert reason(model).startswith("computed from constants by node 'n' (")


def test_every_output_of_a_norm_in_training() -> None:
    constants = (ROWS, *VECTORS, np.abs(VECTORS[0]))
    graph = alone("BatchNormalization", *constants, opset=15, outputs="w average variance", training_mode=1)
    for tensor in ("w", "average", "variance"):
        same(graph, tensor)


def test_sequences_on_the_way() -> None:
    nodes = [
        node("SplitToSequence", "k", "s", axis=0),
        node("Identity", "s", "t"),
        node("SequenceAt", "t i", "p"),
        node("Mul", "p p", "w"),
    ]
    graph = made(nodes, {"k": random(4, 3), "i": np.array(2)})
    same(graph)
    with pytest.raises(NotConstant, match="does not produce a single tensor"):
        opened(graph).constant("t")


def spectral_norm() -> tuple[list[onnx.NodeProto], dict[str, Any], np.ndarray]:
    """The weight of a convolution as torch exports it, in a layer that is scaled once more."""
    weight, u, v = random(4, 3, 3, 3), random(4), random(27)
    nodes = [
        *(node("Reshape", "k flat", "m"), node("MatMul", "m v", "mv"), node("MatMul", "u mv", "sigma")),
        *(
            node("Div", "k sigma", "n"),
            node("Tanh", "n", "t"),
            node("Pad", "t pads", "p"),
            node("Neg", "p", "w"),
        ),
    ]
    constants = {"k": weight, "u": u, "v": v, "flat": np.array([4, -1]), "pads": np.array([0] * 8)}
    return nodes, constants, -np.tanh(weight / (u @ (weight.reshape(4, -1) @ v)))


def test_what_lies_between_goes_along_and_the_rest_is_computed_in_place() -> None:
    nodes, constants, expected = spectral_norm()
    graph = opened(build([*nodes, node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, constants))
    (bank,) = banks(graph)
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-5)
    assert bank.source_dtype == "float32"


def test_computed_in_a_body_from_what_stands_around_it() -> None:
    nodes, constants, expected = spectral_norm()
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    body = helper.make_graph([*nodes[4:], node("Conv", "x w", "y")], "body", [], [output])
    condition = helper.make_node("If", ["c"], ["y"], name="if", then_branch=body, else_branch=body)
    model = build([*nodes[:4], condition], {"x": [1, 3, 8, 8], "c": []}, constants)
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.BOOL
    for bank in banks(opened(model)):
        np.testing.assert_allclose(bank.weights, expected, rtol=1e-5)


def test_a_mul_behind_a_constant_convolution() -> None:
    """Kernels that are convolved with each other, as networks do that are linear in training."""
    nodes = [node("Conv", "a b", "w", name="inner"), node("Conv", "x w", "y", name="outer")]
    constants = {"a": random(4, 2, 3, 3), "b": random(3, 2, 1, 1)}
    model = build(nodes, {"x": [1, 3, 8, 8]}, constants)
    by_name = {bank.node: bank for bank in banks(opened(model))}
    expected = np.einsum("oihw,ji->ojhw", constants["a"], constants["b"][:, :, 0, 0])
    np.testing.assert_allclose(by_name["outer"].weights, expected, rtol=1e-5, atol=1e-6)
