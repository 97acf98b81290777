"""A real network through ONNX Runtime's own tools: half precision, quantization, its optimizer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
import pytest
from onnx_graphs import banks, found
from onnxruntime import quantization
from onnxruntime.transformers.float16 import convert_float_to_float16

from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.layers.naming import name_layers
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank, Skipped

pytestmark = pytest.mark.zoo

LAYERS, FILTERS, KERNELS = 53, 13312, 3_351_744


@pytest.fixture(scope="module")
def source(zoo_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, beside which quantization may write."""
    return Path(shutil.copy(zoo_model("open-nsfw"), tmp_path_factory.mktemp("source")))


@pytest.fixture(scope="module")
def original(source: Path) -> list[FilterBank]:
    return banks(open_graph(source))


class OnePicture(quantization.CalibrationDataReader):
    """What static quantization measures activations on."""

    def __init__(self) -> None:
        picture = np.random.default_rng(0).normal(0, 50, (1, 224, 224, 3)).astype(np.float32)
        self.pictures: Iterator[Any] = iter([{"input:0": picture}])

    def get_next(self) -> Any:
        return next(self.pictures, None)


def check(path: Path, original: list[FilterBank], steps: float, *, biases: bool = True) -> list[FilterBank]:
    """Every bank is the original's within so many steps of 255 over its range (of its filters' together)."""
    converted = banks(open_graph(path))
    assert len(converted) == LAYERS
    assert sum(len(bank.weights) for bank in converted) == FILTERS
    assert sum(bank.weights.shape[0] * bank.weights.shape[1] for bank in converted) == KERNELS
    rest = list(converted)
    for before in original:  # converters and optimizers may put nodes into another order
        after = next(one for one in rest if one.weight_tensor.startswith(before.weight_tensor))
        rest.remove(after)
        step = np.ptp(np.append(before.weights, 0)) / 255
        assert np.abs(after.weights - before.weights).max() <= steps * step + 1e-7
        assert (after.strides, after.pads, after.groups) == (before.strides, before.pads, before.groups)
        if biases and before.bias is not None:
            assert after.bias is not None
            np.testing.assert_allclose(
                after.bias, before.bias, rtol=1e-3, atol=np.abs(before.bias).max() / 100
            )
    return converted


def test_float16(source: Path, original: list[FilterBank], tmp_path: Path) -> None:
    onnx.save(convert_float_to_float16(onnx.load(source)), tmp_path / "half.onnx")
    converted = check(tmp_path / "half.onnx", original, steps=0.2)
    assert {(bank.weights.dtype.name, bank.source_dtype) for bank in converted} == {("float16", "float16")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "per_channel", "level", "operators"),
    [
        ("QOperator", False, None, {"QLinearConv"}),
        ("QOperator", False, "ALL", {"QLinearConv"}),
        ("QDQ", False, None, {"Conv"}),
        ("QDQ", True, None, {"Conv"}),
        ("QDQ", True, "EXTENDED", {"Conv", "QLinearConv"}),
    ],
)
def test_static_quantization(
    source: Path,
    original: list[FilterBank],
    tmp_path: Path,
    form: str,
    per_channel: bool,
    level: str | None,
    operators: set[str],
) -> None:
    path = tmp_path / "quantized.onnx"
    if per_channel:  # the file's opset has no quantization by channel
        model = onnx.version_converter.convert_version(onnx.load(source), 13)
        source = tmp_path / "newer.onnx"
        onnx.save(model, source)
    quantization.quantize_static(
        source,
        path,
        OnePicture(),
        quant_format=quantization.QuantFormat[form],
        per_channel=per_channel,
    )
    if level:
        path = optimized(path, tmp_path, level)
    converted = check(path, original, steps=1.01)
    assert {bank.op for bank in converted} == operators
    assert {bank.source_dtype for bank in converted} == {"int8"}


def test_dynamic_quantization(source: Path, original: list[FilterBank], tmp_path: Path) -> None:
    path = tmp_path / "quantized.onnx"
    quantization.quantize_dynamic(source, path, weight_type=quantization.QuantType.QUInt8)
    converted = check(path, original, steps=0.51)
    assert {bank.op for bank in converted} == {"ConvInteger"}
    assert name_layers(converted) == name_layers(original)
    assert [bank.activation for bank in converted].count("relu") == [
        bank.activation for bank in original
    ].count("relu")


def optimized(path: Path, folder: Path, level: str) -> Path:
    """What ONNX Runtime's optimizer makes of a model."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(folder / f"{level}.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return folder / f"{level}.onnx"


def test_fused_convolutions(source: Path, original: list[FilterBank], tmp_path: Path) -> None:
    path = optimized(source, tmp_path, "EXTENDED")
    converted = check(path, original, steps=0)
    assert {bank.op for bank in converted} == {"Conv", "FusedConv"}
    fields = [
        [layer.receptive_field for layer in trace_geometry(graph, banks(graph))]
        for graph in (open_graph(source), open_graph(path))
    ]
    assert sorted(map(str, fields[0])) == sorted(map(str, fields[1]))


def test_weights_laid_out_for_a_processor_are_reasons(source: Path, tmp_path: Path) -> None:
    results = found(open_graph(optimized(source, tmp_path, "ALL")))
    assert len(results) == LAYERS
    for one in results:
        assert isinstance(one, FilterBank) or "one type of processor" in one.reason


def test_dynamic_weights_are_reasons(source: Path, tmp_path: Path) -> None:
    """Quantized at run time like an activation, and so not to be known."""
    model = onnx.load(source)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    weight = first.input[1]
    model.graph.input.append(onnx.helper.make_tensor_value_info("live", onnx.TensorProto.FLOAT, None))
    model.graph.node.insert(
        0,
        onnx.helper.make_node(
            "DynamicQuantizeLinear", ["live"], ["live_q", "live_s", "live_z"], name="live_quant"
        ),
    )
    model.graph.node.insert(
        1, onnx.helper.make_node("DequantizeLinear", ["live_q", "live_s", "live_z"], [weight + "_l"])
    )
    first.input[1] = weight + "_l"
    model.opset_import[0].version = 13
    onnx.save(model, tmp_path / "dynamic.onnx")
    results = found(open_graph(tmp_path / "dynamic.onnx"))
    (skipped,) = [one for one in results if isinstance(one, Skipped)]
    assert len(results) == LAYERS
    assert skipped.reason.startswith("the weight is computed from the model's input at run time by node")
