"""Which layers depend on the whole picture in addition to their window, and where that is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from dependence import geometry
from onnx_graphs import build, found, node, opened, random

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.records import FilterBank


def gated(*gate: onnx.NodeProto, size: int | str = 16, **more: Any) -> list[LayerGeometry]:
    """A convolution, its output times a gate of it (`gate`: ``c`` to ``p``), and a second convolution."""
    nodes = [
        node("Conv", "x w", "c", pads=[1] * 4), *gate, node("Mul", "c p", "g"), node("Conv", "g v", "y"),
    ]  # fmt: skip
    constants = {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3), "s": random(2), "b": random(2), **more}
    return geometry(build(nodes, {"x": [1, 3, size, size]}, constants))


@pytest.mark.parametrize(
    "gate",
    [
        [node("GlobalAveragePool", "c", "p")],
        [node("GlobalAveragePool", "c", "q"), node("Conv", "q one", "r"), node("Sigmoid", "r", "p")],
        [node("AveragePool", "c", "p", kernel_shape=[16, 16])],
        [node("AveragePool", "c", "q", kernel_shape=[16, 16]), node("Expand", "q shape", "p")],
        [node("AveragePool", "c", "q", kernel_shape=[16, 16]), node("Resize", "q _ _ shape", "p")],
        [node("AveragePool", "c", "q", kernel_shape=[16, 16]), node("Tile", "q repeats", "p")],
        [node("ReduceMean", "c", "p", axes=[2, 3])],
        [
            node("ReduceMean", "c", "q", axes=[2, 3], keepdims=0),
            node("Gemm", "q dense", "r"),
            node("Reshape", "r single", "p"),
        ],
        [node("ReduceMax", "c", "p", axes=[3])],
        [node("ReduceLogSum", "c", "p", axes=[2])],
        [node("Softmax", "c", "p", axis=3)],
        [node("InstanceNormalization", "c s b", "p")],
        [
            node("Reshape", "c places", "q"),
            node("Transpose", "q", "k", perm=[0, 2, 1]),
            node("MatMul", "k q", "scores"),
            node("Softmax", "scores", "weights", axis=-1),
            node("MatMul", "weights k", "v2"),
            node("Transpose", "v2", "r", perm=[0, 2, 1]),
            node("Reshape", "r shape", "p"),
        ],
        [node("MeanVarianceNormalization", "c", "p")],
        [node("LayerNormalization", "c ones", "p", axis=1)],
        [
            node("ReduceMean", "c", "mean", axes=[1, 2, 3]),
            node("Sub", "c mean", "d"),
            node("Mul", "d d", "dd"),
            node("ReduceMean", "dd", "var", axes=[1, 2, 3]),
            node("Sqrt", "var", "std"),
            node("Div", "d std", "p"),
        ],
    ],
    ids=lambda nodes: "-".join(one.op_type for one in nodes),
)
def test_gate_adds_global_context(gate: list[onnx.NodeProto]) -> None:
    layers = gated(
        *gate,
        one=random(2, 2, 1, 1),
        shape=np.array([1, 2, 16, 16]),
        places=np.array([1, 2, 256]),
        repeats=np.array([1, 1, 16, 16]),
        dense=random(2, 2),
        single=np.array([1, 2, 1, 1]),
        ones=random(2, 16, 16),
    )
    assert [layers[0].receptive_field, layers[-1].receptive_field] == [(3, 3), (5, 5)]
    assert [layers[0].global_context, layers[-1].global_context] == [False, True]
    for inside in layers[
        1:-1
    ]:  # the layer that computes the gate has no window, and depends on the whole picture
        assert (inside.receptive_field, inside.global_context) == (None, True)


@pytest.mark.parametrize("axis", [1, -3])
def test_channels_are_not_context(axis: int) -> None:
    for gate in ("Softmax", "ArgMax", "LpNormalization"):
        nodes = [node(gate, "c", "q", axis=axis), node("Cast", "q", "p", to=1)]
        assert [layer.global_context for layer in gated(*nodes)] == [False, False]


@pytest.mark.parametrize("op", ["Foreign", "Split"])
def test_unknown_dependence_has_no_receptive_field(op: str) -> None:
    first, second = gated(node(op, "c", "p", domain="somebody", axis=2))
    assert (first.receptive_field, first.global_context) == ((3, 3), False)
    assert (second.receptive_field, second.global_context) == (None, None)


def test_gated_weights_add_global_context() -> None:
    nodes = [
        node("Conv", "x w", "c", pads=[1] * 4),
        node("ReduceMean", "c", "p"),
        node("Mul", "v p", "vp"),
        node("Conv", "c vp", "d"),
        node("Conv", "d v", "y"),
    ]
    graph = opened(build(nodes, {"x": [1, 3, 16, 16]}, {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3)}))
    layers = [bank for bank in found(graph) if isinstance(bank, FilterBank)]
    first, last = trace_geometry(graph, layers)
    assert (first.global_context, last.global_context) == (False, True)
    assert last.receptive_field == (7, 7)


def test_pooled_branch_adds_global_context() -> None:
    """Atrous spatial pyramid pooling: pooled, convolved, resized, and concatenated."""
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Conv", "p one", "q"),
        node("Shape", "x", "sizes", start=2),
        node("Concat", "front sizes", "target", axis=0),
        node("Resize", "q _ _ target", "r", mode="linear"),
        node("Conv", "x three", "c", pads=[2] * 4, dilations=[2, 2]),
        node("Concat", "c r", "s", axis=1),
        node("Conv", "s w", "y"),
    ]
    constants = {
        "one": random(2, 3, 1, 1), "three": random(2, 3, 3, 3), "w": random(1, 4, 1, 1),
        "front": np.array([1, 2]),
    }  # fmt: skip
    for shape in ([1, 3, 32, 32], [1, 3, "h", "w"]):
        pooled, atrous, last = geometry(build(nodes, {"x": shape}, constants))
        assert (pooled.receptive_field, pooled.global_context) == (None, True)
        assert (atrous.receptive_field, atrous.global_context) == ((5, 5), False)
        assert (last.receptive_field, last.global_context) == ((5, 5), True)


@pytest.mark.parametrize(
    ("local", "more"),
    [
        (node("TopK", "c four", "p at", axis=1), {"four": np.array([2])}),
        (node("Trilu", "c", "p"), {}),
        (node("CastLike", "c q", "p"), {}),
        (
            node("ScatterElements", "c at new", "p", axis=1),
            {"at": np.zeros((1, 1, 1, 1), int), "new": random(1, 1, 1, 1)},
        ),
        (node("Add", "c noise", "p"), {}),
    ],
    ids=lambda one: one.op_type if hasattr(one, "op_type") else "",
)
def test_operators_that_leave_the_window_unchanged(local: onnx.NodeProto, more: dict[str, Any]) -> None:
    """Reading only the shape or the type of a tensor adds no dependence."""
    before = [node("Flatten", "c", "q"), node("RandomNormalLike", "c", "noise")]
    _, last = gated(*before, local, **more)
    assert (last.receptive_field, last.global_context) == ((5, 5), False)
