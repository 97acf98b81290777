"""Small networks, pictures and preprocessings for the tests of the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank, Preprocessing
from filterkit.runtime.feature_maps import Target

Zoo = Callable[[str], Path]

CAFFE = Preprocessing(channel_order="BGR", layout="NHWC", mean=(103.939, 116.779, 123.68))

RGB = Preprocessing(layout="NCHW")


def banks_of(path: Path) -> list[FilterBank]:
    return [
        found for found in ConvolutionExtractor().extract(open_graph(path)) if isinstance(found, FilterBank)
    ]


def targets_of(banks: list[FilterBank], at: str) -> list[Target]:
    if at == "pre":
        return [Target(f"layer{i}", bank.pre_tensor, bank.pre_layout) for i, bank in enumerate(banks)]
    return [Target(f"layer{i}", bank.post_tensor, bank.post_layout) for i, bank in enumerate(banks)]


def assert_close(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 2e-5) -> None:
    """Equal up to `tolerance` times the layer's largest value."""
    assert found.keys() == expected.keys()
    for layer, values in expected.items():
        scale = float(np.abs(values).max()) or 1.0
        np.testing.assert_allclose(found[layer], values, rtol=0, atol=tolerance * scale, err_msg=layer)


def pixels(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def small_model(
    channels: int = 3,
    *,
    batch: int | str = "N",
    dtype: int = TensorProto.FLOAT,
    extra: bool = False,
    seed: int = 0,
) -> onnx.ModelProto:
    """One 3×3 convolution behind a cast; optionally a second input that is added."""
    kinds = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT)
    weights = (np.arange(2 * channels * 9).reshape(2, channels, 3, 3).astype(kinds) + seed) / 10
    nodes = [
        helper.make_node("Cast", ["x"], ["xf"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["xf", "w"], ["c"]),
        helper.make_node("Add", ["c", "state"], ["y"]) if extra else helper.make_node("Relu", ["c"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", dtype, [batch, channels, "H", "W"])]
    if extra:
        inputs.append(helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]))
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
