"""Receptive fields after every kind of Resize, compared with what ONNX Runtime's outputs depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import banks, build, node, opened

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry

SIZE = 64
MODES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def last(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, Any], *, opset: int = 19, size: int = SIZE
) -> tuple[LayerGeometry, int]:
    """The last layer, and the width of the widest patch that one of its outputs depends on."""
    model = build([*nodes], {"x": [size, 1, size, 3]}, constants, opset=opset)
    graph = opened(model)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    impulses = np.eye(size, dtype=np.float32)[:, None, :, None].repeat(3, axis=3)
    sees = np.abs(session.run(None, {"x": impulses})[0][:, 0, :, 1]) > 1e-6
    patches = [np.flatnonzero(column) for column in sees.T]
    return trace_geometry(graph, banks(graph))[-1], max(int(np.ptp(patch)) + 1 for patch in patches)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "kind", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil", "linear", "cubic"]
)
def test_resized_to_a_size_and_strided(kind: str, mode: str) -> None:
    """Of a pattern that does not repeat in the picture, the strided layer meets some positions alone."""
    values = {"mode": kind} if kind in ("linear", "cubic") else {"mode": "nearest", "nearest_mode": kind}
    nodes = [
        node("Resize", "x _ _ sizes", "r", coordinate_transformation_mode=mode, **values),
        node("Conv", "r w", "c", strides=[2, 1], pads=[1, 0, 1, 0]),
        node("Conv", "c w", "y", strides=[2, 1], pads=[1, 0, 1, 0]),
    ]
    for to in (128, 96, 83, 48, 32, 27):
        layer, seen = last(nodes, {"sizes": np.array([SIZE, 1, to, 3]), "w": ones(1, 1, 3, 1)})
        assert layer.receptive_field == (seen, 1), f"to {to}"


@pytest.mark.parametrize("kind", ["linear", "cubic"])
@pytest.mark.parametrize("scale", [0.5, 0.3, 0.75])
def test_downsampled_without_aliasing(kind: str, scale: float) -> None:
    nodes = [node("Resize", "x _ scales", "r", mode=kind, antialias=1), node("Conv", "r w", "y")]
    layer, seen = last(nodes, {"scales": np.float32([1, 1, scale, 1]), "w": ones(1, 1, 3, 1)})
    assert layer.receptive_field == (seen, 1)


@pytest.mark.parametrize("scale", [0.5, 2, 3])
@pytest.mark.parametrize("kind", ["nearest", "linear"])
def test_older_opsets_are_asymmetric(kind: str, scale: float) -> None:
    nodes = [node("Resize", "x scales", "r", mode=kind), node("Conv", "r w", "y")]
    constants = {"scales": np.float32([1, 1, scale, 1]), "w": ones(1, 1, 3, 1)}
    layer, seen = last(nodes, constants, opset=10)
    assert layer.receptive_field == (seen, 1)
    assert layer.offset is not None and layer.offset[0] == 0
    if scale > 1:
        layer, seen = last([node("Upsample", "x scales", "r", mode=kind), nodes[1]], constants, opset=9)
        assert layer.receptive_field == (seen, 1)


def test_scales_and_sizes_of_some_axes() -> None:
    constants = {"w": ones(1, 1, 3, 1), "scales": np.float32([2]), "sizes": np.array([100])}
    for resize in (
        node("Resize", "x _ scales", "r", mode="nearest", axes=[2]),
        node("Resize", "x _ _ sizes", "r", mode="linear", axes=[-2]),
        node("Resize", "x _ _ sizes", "r", mode="linear", axes=[2], keep_aspect_ratio_policy="not_larger"),
    ):
        layer, seen = last([resize, node("Conv", "r w", "y")], constants)
        assert layer.receptive_field == (seen, 1)


@pytest.mark.parametrize(("roi", "begins"), [((0.0, 1.0), 0), ((0.5, 1.0), 32), ((1.0, 0.0), 0)])
def test_crop_of_the_picture(roi: tuple[float, float], begins: int) -> None:
    """Also backwards, from the end to the beginning."""
    values = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    nodes = [node("Resize", "x roi _ sizes", "r", **values), node("Conv", "r w", "y")]
    constants = {
        "roi": np.float32([0, 0, roi[0], 0, 1, 1, roi[1], 1]), "sizes": np.array([SIZE, 1, 50, 3]),
        "w": ones(1, 1, 3, 1),
    }  # fmt: skip
    layer, seen = last(nodes, constants)
    assert layer.receptive_field == (seen, 1)
    assert layer.offset is not None and abs(layer.offset[0] + begins) <= 1


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_encoder_and_decoder(mode: str, depth: int) -> None:
    """What comes up again lies slowly beside what was skipped: with aligned corners, and at odd sizes."""
    nodes, skips, here = [], [], "x"
    for level in range(depth):
        nodes.append(node("Conv", f"{here} w", f"s{level}", pads=[1, 0, 1, 0]))
        nodes.append(node("MaxPool", f"s{level}", f"d{level}", kernel_shape=[2, 1], strides=[2, 1]))
        nodes.append(node("Shape", f"s{level}", f"n{level}"))
        skips.append(f"s{level}")
        here = f"d{level}"
    for level in reversed(range(depth)):
        values = {"mode": "linear", "coordinate_transformation_mode": mode}
        nodes += [
            node("Resize", f"{here} _ _ n{level}", f"u{level}", **values),
            node("Concat", f"s{level} u{level}", f"j{level}", axis=1),
            node("Conv", f"j{level} v", f"o{level}", pads=[1, 0, 1, 0]),
        ]
        here = f"o{level}"
    for size in (64, 75, 96):
        layer, seen = last(nodes, {"w": ones(1, 1, 3, 1), "v": ones(1, 2, 3, 1)}, size=size)
        assert layer.receptive_field is not None and layer.receptive_field[0] == seen, f"size {size}"
        assert (layer.jump, layer.offset and layer.offset[1]) == ((1, 1), 0), f"size {size}"


def test_rates_that_differ_by_a_factor_of_two_have_no_window() -> None:
    nodes = [
        node("Slice", "x zero half axis", "a"),
        node("Slice", "x zero far axis two", "b"),
        node("Add", "a b", "s"),
        node("Conv", "s w", "y"),
    ]
    constants = {"zero": [0], "half": [32], "far": [99], "axis": [2], "two": [2]}
    model = build(
        nodes, {"x": [1, 1, 64, 3]}, {"w": ones(1, 1, 3, 1)} | {k: np.array(v) for k, v in constants.items()}
    )
    graph = opened(model)
    [layer] = trace_geometry(graph, banks(graph))
    assert (layer.receptive_field, layer.global_context) == (None, None)


def test_open_sizes_are_named_by_whole_strides() -> None:
    nodes = [
        node("Conv", "x w", "c", strides=[4, 4], pads=[1] * 4),
        node("Resize", "c _ scales", "r", mode="linear", coordinate_transformation_mode="align_corners"),
        node("Conv", "r w", "y", pads=[1] * 4),
    ]
    model = build(
        nodes, {"x": ["n", 1, "h", "w"]}, {"w": ones(1, 1, 3, 3), "scales": np.float32([1, 1, 2, 2])}
    )
    graph = opened(model)
    assert trace_geometry(graph, banks(graph))[-1].output_shape == ("N", 1, "H/2", "W/2")
