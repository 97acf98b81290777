"""Every operator that is a convolution: its bank computes what the node computes, by ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.records import FilterBank, Skipped

PICTURE = [1, 4, 9, 8]


def with_imports(model: onnx.ModelProto) -> onnx.ModelProto:
    """With ONNX Runtime's own operators."""
    if "com.microsoft" not in {one.domain for one in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def answer(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def convolved(bank: FilterBank, values: np.ndarray) -> np.ndarray:
    """The bank as a plain Conv, by onnx's reference implementation."""
    conv = node(
        "Conv",
        "x w b" if bank.bias is not None else "x w",
        "y",
        group=bank.groups,
        pads=bank.pads,
        strides=bank.strides,
        dilations=bank.dilations,
    )
    constants = {"w": bank.weights} | ({"b": bank.bias} if bank.bias is not None else {})
    return np.asarray(ReferenceEvaluator(build([conv], {"x": None}, constants)).run(None, {"x": values})[0])


@pytest.mark.parametrize("domain", ["", "com.microsoft"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(domain: str, per_channel: bool) -> None:
    random_codes = np.random.default_rng(0)
    scale = np.float32([0.02, 0.05, 0.03]) if per_channel else np.float32(0.02)
    zero = np.zeros(3, np.int8) if per_channel else np.int8(3)
    constants: dict[str, Any] = {
        "xs": np.float32(0.1),
        "xz": np.uint8(128),
        "ys": np.float32(0.1),
        "yz": np.uint8(120),
        "w": random_codes.integers(-90, 90, (3, 4, 3, 3), np.int8),
        "ws": scale,
        "wz": zero,
        "b": random_codes.integers(-400, 400, 3, np.int32),
    }
    inputs = "q xs xz w ws wz ys yz b"
    nodes = [
        node("QuantizeLinear", "x xs xz", "q"),
        node("QLinearConv", inputs, "c", domain=domain, pads=[1, 0, 1, 0]),
        node("DequantizeLinear", "c ys yz", "y"),
    ]
    model = build(nodes, {"x": PICTURE}, constants)
    bank = banks(opened(model))[0]
    assert (bank.op, bank.source_dtype, bank.weights.dtype) == ("QLinearConv", "int8", np.float32)
    values = (random_codes.integers(-5, 5, PICTURE) * np.float32(0.1)).astype(np.float32)
    np.testing.assert_allclose(answer(model, x=values), convolved(bank, values), atol=0.0501)


def test_qlinear_conv_with_channels_last() -> None:
    constants: dict[str, Any] = {
        "xs": np.float32(0.1),
        "xz": np.uint8(128),
        "ys": np.float32(0.05),
        "yz": np.uint8(120),
        "w": np.ones((3, 4, 3, 3), np.int8),
        "ws": np.float32(0.5),
        "wz": np.int8(0),
    }
    nodes = [
        node("QuantizeLinear", "x xs xz", "q"),
        node("QLinearConv", "q xs xz w ws wz ys yz", "y", domain="com.microsoft", channels_last=1),
    ]
    bank = banks(opened(build(nodes, {"x": [1, 9, 8, 4]}, constants)))[0]
    assert (bank.in_channels, bank.pre_layout, bank.source_layout) == (4, "NHWC", "OIHW")


@pytest.mark.parametrize("domain", ["com.microsoft", "com.ms.internal.nhwc"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_quantized_transposed_convolution_has_one_scale_per_output(domain: str, per_channel: bool) -> None:
    """ONNX Runtime has it for accelerators alone: the float operator of the same values is the oracle."""
    draw = np.random.default_rng(0)
    codes = draw.integers(-90, 90, (4, 3, 2, 2), np.int8)  # two groups: 2 to 3 channels each
    scale = np.float32([0.02, 0.05, 0.03, 0.04, 0.01, 0.06] if per_channel else [0.02])
    zero = np.int8([0, 3, -2, 5, 1, 0] if per_channel else [3])
    constants = {
        **dict.fromkeys(("xs", "ys"), np.float32(0.1)),
        **dict.fromkeys(("xz", "yz"), np.int8(0)),
        "w": codes,
        "ws": scale if per_channel else scale[0],
        "wz": zero if per_channel else zero[0],
        "b": draw.integers(-400, 400, 6, np.int32),
    }
    words = "x xs xz w ws wz ys yz b"
    quantized = node("QLinearConvTranspose", words, "y", domain=domain, group=2, strides=[2, 2])
    graph = opened(build([quantized], {"x": [1, 4, 5, 5]}, constants))
    (bank,) = banks(graph)

    grouped = codes.reshape(2, 2, 3, 2, 2).astype(np.float32)
    zeros, scales = (np.broadcast_to(each, 6).reshape(2, 1, 3, 1, 1) for each in (zero, scale))
    values = ((grouped - zeros) * scales).reshape(4, 3, 2, 2)
    plain = node("ConvTranspose", "x w", "y", group=2, strides=[2, 2])
    (expected,) = banks(opened(build([plain], {"x": [1, 4, 5, 5]}, {"w": values})))
    np.testing.assert_allclose(bank.weights, expected.weights, rtol=1e-6)
    assert bank.bias is not None
    np.testing.assert_allclose(bank.bias, constants["b"] * np.float32(0.1) * scale, rtol=1e-6)
    assert (bank.in_channels, bank.out_channels, bank.groups, bank.source_layout) == (4, 6, 2, "IOHW")
    assert bank.pre_layout == ("NCHW" if domain == "com.microsoft" else "NHWC")
    if domain == "com.microsoft":
        assert trace_geometry(graph, [bank], None)[0].macs == 5 * 5 * bank.weights.size


@pytest.mark.parametrize("bias", [False, True])
def test_dynamic_quantization_as_onnx_runtime_writes_it(bias: bool) -> None:
    """The weight's scale stands in a product behind the node, the bias in a sum behind that."""
    constants: dict[str, Any] = {
        "w": np.random.default_rng(0).integers(0, 255, (3, 4, 3, 3), np.uint8),
        "wz": np.uint8(130),
        "ws": np.float32(0.02),
        "b": random(1, 3, 1, 1),
    }
    nodes = [
        node("DynamicQuantizeLinear", "x", "q xs xz"),
        node("ConvInteger", "q w xz wz", "i"),
        node("Cast", "i", "f", to=TensorProto.FLOAT),
        node("Mul", "xs ws", "s"),
        node("Mul", "f s", "m"),
        *([node("Add", "m b", "y")] if bias else []),
    ]
    model = build(nodes, {"x": PICTURE}, constants)
    bank = banks(opened(model))[0]
    assert (bank.op, bank.source_dtype, bank.pre_tensor) == ("ConvInteger", "uint8", "y" if bias else "m")
    expected = (constants["w"].astype(np.float32) - 130) * np.float32(0.02)
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-6)
    values = random(*PICTURE)
    np.testing.assert_allclose(answer(model, x=values), convolved(bank, values), atol=0.5)


def test_an_integer_convolution_without_scale_holds_integers() -> None:
    constants = {"w": np.array([[[[1, 2], [3, 250]]]], np.uint8), "wz": np.uint8(2), "c": np.uint8(0)}
    nodes = [node("Cast", "x", "q", to=TensorProto.UINT8), node("ConvInteger", "q w c wz", "y")]
    bank = banks(opened(build(nodes, {"x": [1, 1, 4, 4]}, constants)))[0]
    assert bank.weights.tolist() == [[[[-1, 0], [1, 248]]]]


def test_a_deformable_convolution_has_its_bias_behind_the_offsets() -> None:
    constants = {"w": random(3, 4, 3, 3), "o": np.zeros((1, 18, 7, 6), np.float32), "b": random(3)}
    model = build([node("DeformConv", "x w o b", "y", group=1)], {"x": PICTURE}, constants, opset=19)
    bank = banks(opened(model))[0]
    values = random(*PICTURE)
    expected = ReferenceEvaluator(model).run(None, {"x": values})[0]
    np.testing.assert_allclose(expected, convolved(bank, values), atol=1e-5)


def test_fused_forms() -> None:
    constants = {"w": random(3, 4, 3, 3), "b": random(3), "p": np.array([0, 0, 1, 1])}
    model = with_imports(
        build(
            [node("FusedConv", "x w b", "y", domain="com.microsoft", activation="Relu")],
            {"x": PICTURE},
            constants,
        )
    )
    graph = opened(model)
    bank = banks(graph)[0]
    assert (bank.activation, bank.pre_tensor, bank.post_tensor) == ("relu", "y", "y")
    assert trace_geometry(graph, [bank])[0].receptive_field == (3, 3)
    values = random(*PICTURE)
    np.testing.assert_allclose(
        answer(model, x=values), np.maximum(convolved(bank, values), 0), rtol=1e-4, atol=1e-5
    )
    for op in ("NhwcConv", "NhwcFusedConv"):
        model = build([node(op, "x w b", "y", domain="com.microsoft")], {"x": [1, 9, 8, 4]}, constants)
        (bank,) = banks(opened(model))
        np.testing.assert_array_equal(bank.weights, constants["w"])
        assert bank.pre_layout == "NHWC"
    nodes = [node("ConvTransposeWithDynamicPads", "x w p b", "y", domain="com.microsoft")]
    (bank,) = banks(opened(build(nodes, {"x": [1, 3, 5, 5]}, constants | {"b": random(4)})))
    assert (bank.in_channels, bank.out_channels, bank.pads) == (3, 4, (0, 0, 1, 1))


def only_reason(*nodes: onnx.NodeProto, **constants: Any) -> str:
    (only,) = found(opened(build(nodes, {"x": PICTURE, "r": None}, constants, opset=19)))
    assert isinstance(only, Skipped)
    return only.reason


def test_reasons() -> None:
    weight = random(3, 4, 3, 3)
    for name, value in {"strides": helper.make_graph([], "g", [], []), "activation": [1.5]}.items():
        fused = node("FusedConv", "x w", "y", domain="com.microsoft", **{name: value})
        assert "malformed" in only_reason(fused, w=weight)
    codes = {"xs": np.float32(1), "xz": np.uint8(0), "w": weight.astype(np.int8), "s": np.float32([1, 2])}
    inputs = "x xs xz w s wz xs xz"
    assert only_reason(node("QLinearConv", inputs, "y"), **codes, wz=np.int8(0)) == (
        "the weight's scale does not match its shape"
    )
    assert only_reason(node("ConvInteger", "x r", "y")) == "the weight is an input of the model ('r')"
    assert "the file does not state the block size" in only_reason(
        node("Conv", "x w", "y", domain="com.microsoft.nchwc"), w=weight
    )
    causal = node("CausalConvWithState", "x w", "y", domain="com.microsoft")
    assert "reads a state in addition to its input" in only_reason(causal, w=weight)
    assert only_reason(node("Conv", "x w", "y", domain="their.own"), w=weight) == (
        "unknown operator Conv of domain 'their.own'"
    )
    assert only_reason(node("Conv", "x w", "y", domain="a\x1b[2J" + "b" * 10_000), w=weight) == (
        rf"unknown operator Conv of domain 'a\x1b[2J{'b' * 71}…'"
    )
    assert "padding is an input" in only_reason(
        node("ConvTransposeWithDynamicPads", "x w r", "y", domain="com.microsoft"), w=random(4, 3, 3, 3)
    )


@pytest.mark.parametrize("ir_version", [3, 4, 8, 10])
@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 13, 17, 21, onnx.defs.onnx_opset_version()])
def test_opsets_and_ir_versions(opset: int, ir_version: int) -> None:
    """A convolution behind a transposed weight, with a batch norm and a clip, as each opset writes it."""
    clip = [node("Clip", "n", "y", min=0.0, max=6.0)] if opset < 11 else [node("Clip", "n lo hi", "y")]
    constants: dict[str, Any] = {"k": random(3, 3, 4, 2), "lo": np.float32(0), "hi": np.float32(6)}
    constants |= {
        name: np.full(2, value, np.float32) for name, value in zip("gbmv", (2, 1, 3, 4), strict=True)
    }
    if opset < 11:
        del constants["lo"], constants["hi"]
    nodes = [
        node("Transpose", "k", "w", perm=[3, 2, 0, 1]),
        node("Conv", "x w", "c"),
        node("BatchNormalization", "c g b m v", "n", epsilon=0.0),
        *clip,
    ]
    inputs = {"x": PICTURE} | (
        {name: list(np.shape(value)) for name, value in constants.items()} if ir_version < 4 else {}
    )
    model = build(nodes, inputs, constants, opset=opset, ir_version=ir_version)
    for value in model.graph.input:
        if value.name in constants:
            value.type.tensor_type.elem_type = numpy_helper.from_array(constants[value.name]).data_type
    (bank,) = banks(opened(model))
    assert (bank.activation, bank.source_layout, bank.out_channels) == ("relu6", "HWIO", 2)
    assert bank.batchnorm is not None
    assert (bank.batchnorm.scale.tolist(), bank.batchnorm.shift.tolist()) == ([1, 1], [-2, -2])
