"""Quantized outputs are dequantized, and other types are cast where necessary."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx_graphs import build, node, random

from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.excerpt import excerpt


def run(model: onnx.ModelProto, x: Any) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def undeclared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without a type of its output."""
    model.graph.output[0].CopyFrom(onnx.ValueInfoProto(name=model.graph.output[0].name))
    return model


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("after", ["", "MaxPool", "Transpose"])
def test_the_output_of_a_quantized_convolution_is_dequantized(kind: Any, after: str) -> None:
    zero = kind(3)
    weights = np.random.default_rng(0).integers(-5, 5, (4, 3, 3, 3)).astype(np.int8)
    constants = {
        "xs": np.float32(0.02),
        "xz": zero,
        "w": weights,
        "ws": np.float32(0.1),
        "wz": np.int8(0),
        "ys": np.float32(0.05),
        "yz": kind(7),
    }
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"),
        node("QLinearConv", "xq xs xz w ws wz ys yz", "q"),
        *([node(after, "q", "p", **({"kernel_shape": [2, 2]} if after == "MaxPool" else {}))] * bool(after)),
    ]
    model = build(nodes, {"x": [1, 3, 8, 8]}, constants, outputs=[nodes[-1].output[0]])
    x = random(1, 3, 8, 8)
    part = excerpt(model, [Wanted("", nodes[-1].output[0])])
    found = run(part.model, x)
    raw = run(undeclared(model), x)
    assert found.dtype == np.float32 and raw.dtype == kind
    np.testing.assert_allclose(found, (raw.astype(np.float32) - 7) * np.float32(0.05), rtol=1e-6, atol=1e-6)


def test_accumulators_are_cast_and_float16_is_kept() -> None:
    weights = np.arange(2 * 3 * 9).reshape(2, 3, 3, 3).astype(np.uint8)
    integer = build(
        [node("DynamicQuantizeLinear", "x", "q s z"), node("ConvInteger", "q w z", "c")],
        {"x": [1, 3, 5, 5]},
        {"w": weights},
        outputs=["c"],
    )
    part = excerpt(undeclared(integer), [Wanted("", "c")])
    assert run(part.model, random(1, 3, 5, 5)).dtype == np.float32
    half = build(
        [node("Cast", "x", "h", to=TensorProto.FLOAT16), node("Conv", "h w", "c")],
        {"x": [1, 3, 5, 5]},
        {"w": random(2, 3, 3, 3, dtype=np.float16)},
        outputs=["c"],
    )
    assert run(excerpt(undeclared(half), [Wanted("", "c")]).model, random(1, 3, 5, 5)).dtype == np.float16
