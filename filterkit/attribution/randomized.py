"""Replace the weights of a network by random numbers, from one layer on.

If an attribution hardly changes, it does not show what these layers have learned (Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from filterkit.errors import ModelError, UsageError
from filterkit.graph.excerpt.cut import ancestors
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import reads

WEIGHTED = frozenset({"Conv", "ConvTranspose", "FusedConv", "Gemm", "MatMul", "QLinearConv", "ConvInteger"})


def randomized(model: onnx.ModelProto, path: Path, tensor: str, seed: int) -> onnx.ModelProto:
    """A model in which the layer that computes a tensor, and all after it, have random weights.

    Each weight is replaced by normally distributed numbers of its own mean and standard deviation. Biases and
    norms stay.

    Parameters
    ----------
    model
        Not changed; the file `path` has its external data.

    Raises
    ------
    UsageError
        The model does not compute the tensor: the target does not depend on the layer.
    ModelError
        None of the weights are stored as floating-point numbers.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, view = result.graph, GraphView(model, path)
    if not any(tensor in node.output for node in graph.node):
        raise UsageError(
            "the target does not depend on the layer to randomize", hint="name a layer before the target"
        )
    stored = {each.name: each for each in graph.initializer}
    random = np.random.default_rng(seed)
    done: set[str] = set()
    for node in _from(graph, tensor):
        if node.op_type not in WEIGHTED or len(node.input) < 2:
            continue
        for name in sorted(ancestors(graph, [node.input[1]])[1] & stored.keys() - done):
            weights = view.constant(name)
            if weights.ndim < 2 or weights.dtype.kind != "f":
                continue
            done.add(name)
            noise = random.normal(weights.mean(dtype=float), weights.std(dtype=float), weights.shape)
            stored[name].CopyFrom(numpy_helper.from_array(noise.astype(weights.dtype), name))
    if not done:
        raise ModelError("no weights to randomize: they are not stored as floating-point numbers")
    return result


def _from(graph: onnx.GraphProto, tensor: str) -> Iterator[onnx.NodeProto]:
    """The node that computes a tensor, and those that depend on it."""
    reached = {tensor}
    for node in graph.node:
        if tensor in node.output or not reached.isdisjoint(reads(node)):
            reached.update(node.output)
            yield node
