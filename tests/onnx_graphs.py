"""Small ONNX models for tests, written and opened like any other file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.loading.load import open_graph
from filterkit.graph.view.view import GraphView
from filterkit.records import FilterBank, Skipped
from filterkit.testing import build_model as build
from filterkit.testing import node

__all__ = ["FLOAT", "banks", "build", "found", "node", "opened", "random"]

FLOAT = TensorProto.FLOAT


def opened(model: onnx.ModelProto) -> GraphView:
    """The model, through a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return open_graph(path)


def found(graph: GraphView) -> list[FilterBank | Skipped]:
    return list(ConvolutionExtractor().extract(graph))


def banks(graph: GraphView) -> list[FilterBank]:
    """All banks, of a graph in which nothing is skipped."""
    results = found(graph)
    assert not [one for one in results if isinstance(one, Skipped)]
    return [one for one in results if isinstance(one, FilterBank)]


def random(*shape: int, seed: int = 0, dtype: type[np.generic] = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)
