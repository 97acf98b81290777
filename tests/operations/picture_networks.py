"""Small networks with picture inputs, run by filterkit and directly by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto
from onnx_graphs import build, node, random
from PIL import Image

import filterkit

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
LUMA = np.array([0.299, 0.587, 0.114])


def network(
    shape: list[Any],
    channels: int,
    before: list[onnx.NodeProto] | None = None,
    *,
    dtype: int = TensorProto.FLOAT,
    **constants: Any,
) -> onnx.ModelProto:
    """x → `before` → q → a convolution → y."""
    nodes = [*(before or [node("Identity", "x", "q")]), node("Conv", "q w", "y", name="conv")]
    weights = {"w": random(4, channels, 3, 3) / channels, **constants}
    model = build(nodes, {"x": shape}, weights, opset=13)
    model.graph.input[0].type.tensor_type.elem_type = dtype
    return model


def asked(model: onnx.ModelProto, array: Any) -> Any:
    """The output of ONNX Runtime for an array, without optimizations; sizes of None are left free."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value < 1:
            dim.ClearField("dim_value")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"x": array})[0]


def add(bench: filterkit.Workbench, model: onnx.ModelProto, folder: Path, **options: Any) -> None:
    onnx.save(model, folder / "net.onnx")
    bench.add(folder / "net.onnx", replace=True, **options)


def maps_of(bench: filterkit.Workbench, picture: Any, **options: Any) -> Any:
    return np.asarray(bench.feature_maps("net/conv", picture, provider="cpu", **options))


def resized(height: int, width: int) -> Any:
    return np.asarray(Image.fromarray(PIXELS).resize((width, height), Image.Resampling.BILINEAR))


def nchw(pixels: Any, scale: float = 1 / 255) -> Any:
    return (pixels.transpose(2, 0, 1)[None] * scale).astype(np.float32)
