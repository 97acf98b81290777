"""Checkpoints: the arrays unchanged beside a graph, whose layers compute what the arrays mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import banks, random

from filterkit.graph.loading.checkpoint import DATA_FILE, PRODUCER, Convolution, Stored, write_checkpoint
from filterkit.graph.loading.load import open_graph

OIHW = random(6, 4, 3, 2)
TRANSPOSED = random(4, 6, 3, 2, seed=3)
BIAS = random(6, seed=1)


def stored(array: np.ndarray, name: str = "w") -> Stored:
    return Stored(name, str(array.dtype), array.shape, lambda: array)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Convolution(stored(OIHW)), OIHW),
        (Convolution(stored(OIHW.transpose(2, 3, 1, 0)), layout="HWIO"), OIHW),
        (Convolution(stored(OIHW.transpose(0, 2, 3, 1)), layout="OHWI"), OIHW),
        (Convolution(stored(OIHW[..., 0].transpose(2, 1, 0)), layout="HWIO"), OIHW[..., 0]),
        (Convolution(stored(OIHW.astype(np.float16))), OIHW.astype(np.float16)),
        (Convolution(stored(OIHW.astype(np.float64))), OIHW),
        (Convolution(stored(TRANSPOSED), transposed=True), TRANSPOSED.swapaxes(0, 1)),
        (
            Convolution(stored(OIHW.transpose(2, 3, 0, 1)), layout="HWIO", depthwise=True),
            OIHW.reshape(24, 1, 3, 2),
        ),
    ],
)
def test_a_layer_of_every_kind_comes_back(tmp_path: Path, layer: Convolution, expected: np.ndarray) -> None:
    write_checkpoint(tmp_path / "model.onnx", [layer])
    graph = open_graph(tmp_path / "model.onnx")
    assert graph.producer_name.startswith(PRODUCER)
    [bank] = banks(graph)
    np.testing.assert_array_equal(bank.weights, expected)
    assert bank.weights.dtype == expected.dtype
    data = np.ascontiguousarray(layer.weights.read()).tobytes()
    assert (tmp_path / DATA_FILE).read_bytes() == data, "as it was stored"
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert len(session.get_inputs()) == len(session.get_outputs()) == 1


def test_an_array_of_two_layers_is_written_once(tmp_path: Path) -> None:
    bias = stored(BIAS, "b")
    layers = [Convolution(stored(OIHW, name), bias) for name in ("v", "w")]
    write_checkpoint(tmp_path / "model.onnx", layers)
    assert (tmp_path / DATA_FILE).stat().st_size == 2 * OIHW.nbytes + BIAS.nbytes
    for bank in banks(open_graph(tmp_path / "model.onnx")):
        np.testing.assert_array_equal(bank.bias, BIAS)
    onnx.checker.check_model(tmp_path / "model.onnx")
