"""The extractor, compared with ONNX Runtime: filters times input plus bias is the layer's output."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import build, channels_last, found, node, only_bank, random, run, why_skipped
from onnx import TensorProto, helper

FLOATS = TensorProto.FLOAT


def check(model: onnx.ModelProto, x: np.ndarray, rows: np.ndarray | None = None, atol: float = 1e-5) -> None:
    """Compare weights, bias, pre-tensor and layout with the graph itself.

    `rows` is the input as (N, positions, C) if `x` is not that already.
    """
    bank = only_bank(model)
    filters = bank.weights[:, :, 0, 0]
    assert filters.shape == (bank.out_channels, bank.in_channels)
    expected = (x if rows is None else rows) @ filters.T
    if bank.bias is not None:
        expected = expected + bank.bias
    answered = channels_last(run(model, bank.pre_tensor, x), bank.pre_layout)
    np.testing.assert_allclose(answered, expected, atol=atol)


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (1,), ()])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 3.0)])
def test_gemm(turned: int, bias: tuple[int, ...] | None, alpha: float, beta: float) -> None:
    constants = {"w": random(5, 4) if turned else random(4, 5)}
    if bias is not None:
        constants["b"] = random(*bias)
    gemm = node("Gemm", " ".join(["x", *constants]), "y", transB=turned, alpha=alpha, beta=beta)
    model = build([gemm], ["N", 4], constants)
    bank = only_bank(model)
    assert (bank.bias is not None, bank.source_layout) == (bias is not None, "OI" if turned else "IO")
    check(model, random(3, 4))


def test_gemm_that_turns_its_data() -> None:
    x = random(4, 3)
    check(build([node("Gemm", "x w", "y", transA=1)], [4, 3], {"w": random(4, 5)}), x, x.T)


@pytest.mark.parametrize("turned", [0, 1])
def test_gemm_with_the_weight_on_the_left(turned: int) -> None:
    constants = {"w": random(4, 5) if turned else random(5, 4), "b": random(5, 1)}
    model = build([node("Gemm", "w x b", "y", transA=turned)], [4, 3], constants)
    assert only_bank(model).pre_layout == "CN"
    x = random(4, 3)
    check(model, x, x.T)


def test_weights_are_those_of_the_file_bit_by_bit() -> None:
    weights = random(4, 5)
    bank = only_bank(build([node("MatMul", "x w", "y")], ["N", 4], {"w": weights}))
    np.testing.assert_array_equal(bank.weights[:, :, 0, 0], weights.T)
    assert bank.weights.flags.c_contiguous


@pytest.mark.parametrize(("shape", "layout"), [((2, 4), "NC"), ((2, 7, 4), "NWC"), ((2, 3, 7, 4), "NHWC")])
def test_matmul_with_a_bias_behind_it(shape: tuple[int, ...], layout: str) -> None:
    nodes = [node("MatMul", "x w", "m"), node("Add", "b m", "a"), node("Relu", "a", "y")]
    model = build(nodes, shape, {"w": random(4, 5), "b": random(5)})
    bank = only_bank(model)
    assert (bank.pre_tensor, bank.pre_layout, bank.post_tensor, bank.activation) == ("a", layout, "y", "relu")
    check(model, random(*shape))


def test_matmul_with_the_weight_on_the_left() -> None:
    model = build([node("MatMul", "w x", "y")], [2, 4, 7], {"w": random(5, 4)})
    assert only_bank(model).pre_layout == "NCW"
    x = random(2, 4, 7)
    check(model, x, x.transpose(0, 2, 1))


def test_a_weight_behind_a_chain_of_constants() -> None:
    nodes = [
        node("Transpose", "stored", "t", perm=[1, 0]),
        node("Unsqueeze", "t zero", "w"),
        node("MatMul", "x w", "y"),
    ]
    model = build(nodes, [2, 7, 4], {"stored": random(5, 4), "zero": np.zeros(1, np.int64)})
    bank = only_bank(model)
    assert (bank.weight_tensor, bank.source_dtype, bank.source_layout) == ("stored", "float32", "OI")
    check(model, random(2, 7, 4))


def test_positions_that_are_rows_get_their_axes_back() -> None:
    """As exporters write a dense layer over tokens: all tokens of all pictures in the rows of a Gemm."""
    nodes = [
        node("Reshape", "x rows", "r"),
        node("Gemm", "r w b", "g"),
        node("Reshape", "g back", "u"),
        node("Sigmoid", "u", "y"),
    ]
    shapes = {"rows": np.array([-1, 4]), "back": np.array([2, 7, 5])}
    model = build(nodes, [2, 7, 4], {"w": random(4, 5), "b": random(5), **shapes})
    bank = only_bank(model)
    assert (bank.pre_tensor, bank.pre_layout, bank.activation) == ("u", "NWC", "sigmoid")
    check(model, random(2, 7, 4))


def test_a_bias_in_front_of_the_axes_is_kept() -> None:
    nodes = [
        node("Reshape", "x rows", "r"),
        node("MatMul", "r w", "m"),
        node("Add", "m b", "a"),
        node("Reshape", "a back", "y"),
    ]
    shapes = {"rows": np.array([-1, 4]), "back": np.array([2, 7, 5])}
    model = build(nodes, [2, 7, 4], {"w": random(4, 5), "b": random(5), **shapes})
    assert only_bank(model).pre_layout == "NWC"
    check(model, random(2, 7, 4))


def test_pictures_that_are_not_the_first_axis() -> None:
    nodes = [node("Transpose", "x", "t", perm=[1, 0, 2]), node("MatMul", "t w", "y")]
    model = build(nodes, ["batch", 7, 4], {"w": random(4, 5)})
    assert only_bank(model).pre_layout == "WNC"
    check(model, random(2, 7, 4))


def test_attention_has_projections_but_no_weight_of_its_own() -> None:
    nodes = [
        node("MatMul", "x wq", "q", "query"),
        node("MatMul", "x wk", "k", "key"),
        node("Transpose", "k", "kt", perm=[0, 2, 1]),
        node("MatMul", "q kt", "scores", "attention"),
        node("MatMul", "scores x", "y", "mixing"),
    ]
    model = build(nodes, [1, 7, 4], {"wq": random(4, 4), "wk": random(4, 4)})
    assert [each.node for each in found(model)] == ["query", "key"]


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_types(kind: type[np.floating]) -> None:
    weights = random(4, 5).astype(kind)
    element = {np.float16: TensorProto.FLOAT16, np.float64: TensorProto.DOUBLE}[kind]
    bank = only_bank(build([node("MatMul", "x w", "y")], ["N", 4], {"w": weights}, element))
    assert bank.weights.dtype == (np.float16 if kind is np.float16 else np.float32)
    assert bank.source_dtype == np.dtype(kind).name
    np.testing.assert_allclose(bank.weights[:, :, 0, 0], weights.T)


def quantized(weights: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, scale and zero point, one of each or one per output."""
    largest = np.abs(weights).max() if axis is None else np.abs(weights).max(axis=axis)
    scale = (largest / 100).astype(np.float32)
    zero = np.full(scale.shape, 7, np.int8)
    return (np.round(weights / scale) + 7).astype(np.int8), scale, zero


@pytest.mark.parametrize("axis", [None, 0])
def test_dynamically_quantized(axis: int | None) -> None:
    weights = random(4, 5)
    codes, scale, zero = quantized(weights, axis)
    nodes = [
        node("DynamicQuantizeLinear", "x", "xq xs xz"),
        node("MatMulInteger", "xq w xz wz", "sums"),
        node("Cast", "sums", "floats", to=FLOATS),
        node("Mul", "xs ws", "scales"),
        node("Mul", "floats scales", "real"),
        node("Add", "real b", "y"),
    ]
    constants = {"w": codes, "wz": zero, "ws": scale, "b": random(5)}
    model = build(nodes, ["N", 4], constants)
    bank = only_bank(model)
    np.testing.assert_allclose(bank.weights[:, :, 0, 0], weights.T, atol=scale.max())
    assert (bank.pre_tensor, bank.source_dtype) == ("y", "int8")
    check(model, random(3, 4), atol=0.1)


@pytest.mark.parametrize("axis", [None, 0])
def test_statically_quantized(axis: int | None) -> None:
    weights = random(4, 5)
    codes, scale, zero = quantized(weights, axis)
    constants = {"w": codes, "ws": scale, "wz": zero, "s": np.float32(0.05), "z": np.uint8(128)}
    nodes = [
        node("QuantizeLinear", "x s z", "xq"),
        node("QLinearMatMul", "xq s z w ws wz s z", "yq"),
        node("DequantizeLinear", "yq s z", "y"),
    ]
    bank = only_bank(build(nodes, ["N", 4], constants))
    np.testing.assert_allclose(bank.weights[:, :, 0, 0], weights.T, atol=scale.max())


def test_quantize_and_dequantize_around_it() -> None:
    weights = random(4, 5)
    codes, scale, zero = quantized(weights, 0)
    nodes = [node("DequantizeLinear", "codes ws wz", "w", axis=1), node("MatMul", "x w", "y")]
    model = build(nodes, ["N", 4], {"codes": codes, "ws": scale, "wz": zero})
    assert (only_bank(model).source_dtype, only_bank(model).weight_tensor) == ("int8", "codes")
    check(model, random(3, 4), atol=0.03)  # ONNX Runtime multiplies the codes


@pytest.mark.parametrize(
    ("nodes", "shape", "weight", "words"),
    [
        ([node("MatMul", "x w", "y")], [3, 7, 4], random(3, 4, 5), "3 matrices, of shape 3×4×5"),
        ([node("MatMul", "x w", "y")], [3, 4], random(4), "not a matrix, of shape 4"),
        ([node("MatMul", "x w", "y")], [3, 4], random(4, 0), "empty"),
        ([node("MatMul", "x w", "y")], [4], random(4, 5), "its output has 1 axes"),
        (
            [node("FusedMatMul", "x w", "y")],
            [3, 4],
            random(4, 5),
            "unknown operator FusedMatMul of domain 'com.microsoft'",
        ),
        (
            [node("MatMulNBits", "x w", "y")],
            [3, 4],
            random(4, 5),
            "unknown operator MatMulNBits of domain 'com.microsoft'",
        ),
        (
            [node("MaxPool", "x", "s", kernel_shape=[1]), node("QLinearMatMul", "x x x w s x x x", "y")],
            [3, 4],
            np.ones((4, 5), np.int8),
            "computed at run time",
        ),
    ],
)
def test_what_cannot_be_read_has_a_reason(
    nodes: list[onnx.NodeProto], shape: list[int], weight: np.ndarray, words: str
) -> None:
    assert words in why_skipped(build(nodes, shape, {"w": weight}))


def test_whole_numbers_are_no_weights() -> None:
    model = build([node("MatMul", "x w", "y")], [3, 4], {"w": np.ones((4, 5), np.int64)}, TensorProto.INT64)
    assert "int64" in why_skipped(model)


def test_layers_inside_of_branches() -> None:
    def branch(name: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_y", FLOATS, None)
        return helper.make_graph([node("MatMul", f"x {name}", f"{name}_y")], name, [], [out])

    flag = helper.make_node(
        "If", ["flag"], ["y"], name="if", then_branch=branch("b"), else_branch=branch("a")
    )
    model = build([flag], ["N", 4], {"a": random(4, 5), "b": random(4, 6), "flag": np.array(True)})
    assert [(each.scope, each.out_channels) for each in found(model)] == [
        ("if/else_branch", 5),
        ("if/then_branch", 6),
    ]
