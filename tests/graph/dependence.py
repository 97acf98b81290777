"""What a convolution sees of a picture by the catalog, and what its outputs depend on in fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx_graphs import banks, build, node, opened

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.records import Preprocessing

HEIGHT, WIDTH = H, W = 24, 16


def last(
    nodes: Sequence[onnx.NodeProto], channels: int, height: int = HEIGHT, width: int = WIDTH, **constants: Any
) -> tuple[LayerGeometry, Any]:
    """A 3x3 convolution behind nodes from ``x`` to ``s``: what it sees by the catalog, and in fact.

    The latter is one array per axis: whether output ``i`` depends on input ``j``.
    """
    closed = [*nodes, node("Conv", "s w", "y", pads=[1] * 4)]
    weights = {"w": np.ones((1, channels, 3, 3), np.float32)} | {
        name: np.asarray(value) for name, value in constants.items()
    }
    model = build(closed, {"x": [1, 2, height, width]}, weights)
    graph = opened(model)
    found = banks(graph)
    return trace_geometry(graph, found)[-1], dependence(model, height, width)


def dependence(model: onnx.ModelProto, height: int, width: int) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    plain = np.random.default_rng(0).uniform(1, 2, (1, 2, height, width)).astype(np.float32)
    before = session.run(["y"], {"x": plain})[0][0, 0]
    found = []
    for axis, size in enumerate((height, width)):
        columns = []
        for place in range(size):
            changed = plain.copy()
            np.moveaxis(changed, axis + 2, 0)[place] += 1
            after = session.run(["y"], {"x": changed})[0][0, 0]
            columns.append(np.any(after != before, axis=1 - axis))
        found.append(np.array(columns).T)
    return found


def widths(sees: Any) -> list[int]:
    """How wide the patches of the outputs in the middle are."""
    middle = sees[len(sees) // 3 : -(len(sees) // 3)]
    return [int(np.ptp(np.flatnonzero(row))) + 1 if row.any() else 0 for row in middle]


def check(nodes: Sequence[onnx.NodeProto], channels: int, **constants: Any) -> LayerGeometry:
    """The receptive field is exact, and so are jump and offset, as far as outputs lie on a grid."""
    layer, sees = last(nodes, channels, **constants)
    assert layer.receptive_field is not None and layer.jump is not None and layer.offset is not None
    for axis, seen in enumerate(sees):
        assert max(widths(seen)) == layer.receptive_field[axis]
        jump, offset = layer.jump[axis], layer.offset[axis]
        if jump >= 1:
            middle = len(seen) // 2
            assert np.flatnonzero(seen[middle])[0] == middle * jump - offset
    return layer


def reshape(source: str, target: str) -> onnx.NodeProto:
    made: onnx.NodeProto = node("Reshape", f"{source} {target}_shape", target)
    return made


SPLIT = {"r_shape": [1, 2, H // 2, 2, W // 2, 2], "s_shape": [1, 8, H // 2, W // 2]}


def geometry(model: onnx.ModelProto, preprocessing: Preprocessing | None = None) -> list[LayerGeometry]:
    graph = opened(model)
    return trace_geometry(graph, banks(graph), preprocessing)


def first_axis(layer: LayerGeometry) -> tuple[float, float, float]:
    assert layer.receptive_field and layer.jump and layer.offset
    return layer.receptive_field[0], layer.jump[0], layer.offset[0]
