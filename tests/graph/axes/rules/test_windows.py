"""Receptive fields of random chains, compared with what ONNX Runtime's outputs depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from dependence import first_axis, geometry
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_graphs import banks, build, node, opened

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.axes.trace import trace

LENGTH = 300

KINDS = (
    *("conv", "same", "pool", "pad", "slice", "branch", "concat"),
    *("transposed", "to_size", "beside", "resize"),
)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """A random chain of one-dimensional nodes with one channel, ending with a convolution."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {}
    here = "x"
    for place in range(draw(st.integers(1, 4))):
        there = f"t{place}"
        kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        taps = np.ones((1, 1, kernel), np.float32)
        match draw(st.sampled_from(KINDS)):
            case "conv":
                values = {"pads": [before, after], "dilations": [dilation], "strides": [stride]}
                step, constant = [node("Conv", f"{here} w{place}", there, **values)], {"w": taps}
            case "same":
                auto = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
                step = [
                    node("Conv", f"{here} w{place}", there, auto_pad=auto, strides=[min(stride, kernel + 1)])
                ]
                constant = {"w": taps}
            case "pool":
                pads = [min(before, kernel - 1), min(after, kernel - 1)]
                values = {"kernel_shape": [kernel], "strides": [stride], "count_include_pad": 1}
                step, constant = [node("AveragePool", here, there, pads=pads, **values)], {}
            case "pad":
                step = [node("Pad", f"{here} p{place}", there)]
                constant = {"p": np.array([0, 0, before, 0, 0, after])}
            case "slice":
                step = [node("Slice", f"{here} b{place} e{place} a{place} s{place}", there)]
                numbers = {"b": before, "e": 10**6, "a": 2, "s": stride}
                constant = {key: np.array([number]) for key, number in numbers.items()}
            case "branch":  # as in a residual block, the side branch not always centred
                step = [
                    node(
                        "Conv", f"{here} w{place}", f"l{place}", strides=[stride], pads=[before, 2 - before]
                    ),
                    node("Conv", f"{here} v{place}", f"r{place}", strides=[stride]),
                    node("Add", f"l{place} r{place}", there),
                ]
                constant = {"w": np.ones((1, 1, 3), np.float32), "v": np.ones((1, 1, 1), np.float32)}
            case "concat":
                step = [node("Concat", f"z{place} {here}", there, axis=2)]
                constant = {"z": np.zeros((LENGTH, 1, before + 1), np.float32)}
            case "transposed":  # with gaps, where taps are fewer than strides
                values = {
                    "strides": [stride],
                    "pads": [min(before, kernel - 1), 0],
                    "dilations": [dilation],
                    "output_padding": [draw(st.integers(0, stride - 1))],
                }
                step, constant = [node("ConvTranspose", f"{here} w{place}", there, **values)], {"w": taps}
            case "to_size":
                auto = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER"]))
                values = {"strides": [stride], "auto_pad": auto}
                step = [node("ConvTranspose", f"{here} w{place}", there, **values)]
                constant = {"w": np.ones((1, 1, max(kernel, stride)), np.float32)}
            case "beside":  # two ways of upsampling, whose phases differ
                step = [
                    node("ConvTranspose", f"{here} w{place}", f"l{place}", strides=[2], output_padding=[0]),
                    node("Resize", f"{here} _ f{place}", f"r{place}", mode="nearest"),
                    node("Add", f"l{place} r{place}", there),
                ]
                constant = {"w": np.ones((1, 1, 2), np.float32), "f": np.array([1, 1, 2], np.float32)}
            case _:
                mode = draw(st.sampled_from(["nearest", "linear"]))
                where = draw(st.sampled_from(["half_pixel", "asymmetric"]))
                values = {"mode": mode, "coordinate_transformation_mode": where}
                step = [node("Resize", f"{here} _ f{place}", there, **values)]
                constant = {"f": np.array([1, 1, draw(st.sampled_from([2, 4, 0.5, 1.6]))], np.float32)}
        nodes += step
        constants |= {f"{key}{place}": value for key, value in constant.items()}
        here = there
    return [*nodes, node("Conv", f"{here} last", "y", pads=[1, 1])], constants | {
        "last": np.ones((1, 1, 3), np.float32)
    }


def seen(model: onnx.ModelProto, length: int) -> Any:
    """The inputs that each output depends on: ONNX Runtime is run with NaN at each position in turn."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    impulses = np.eye(length, dtype=np.float32)[:, None]
    return session.run(None, {"x": impulses})[0][:, 0] != 0


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(chains())
def test_brute_force(chain: tuple[list[onnx.NodeProto], dict[str, Any]]) -> None:
    """With every unit impulse: all weights are positive, so an output that depends on it is non-zero."""
    nodes, constants = chain
    model = build(nodes, {"x": [LENGTH, 1, LENGTH]}, constants)
    field, jump, _ = first_axis(geometry(model)[-1])
    reach = trace(opened(model), {}).tracks["y"].axes[2].reach
    sees = seen(model, LENGTH)
    outputs = sees.shape[1]
    middle = range(outputs // 3, 2 * outputs // 3)
    assume(len(middle) >= len(reach.windows) and field < LENGTH / 4)
    patches = [np.flatnonzero(sees[:, place]) for place in middle]
    assert [(patch[0], patch[-1]) if len(patch) else None for patch in patches] == [
        reach.at(place) for place in middle
    ]
    assert max((np.ptp(patch) + 1 for patch in patches if len(patch)), default=0) == field
    assert jump == float(reach.jump)


@pytest.mark.parametrize("values", [{"output_shape": [17]}, {"output_shape": [14]}, {"output_padding": [1]}])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_transposed_convolutions_of_stated_size(values: dict[str, Any], auto_pad: str) -> None:
    nodes = [
        node("ConvTranspose", "x w", "t", strides=[2], auto_pad=auto_pad, **values),
        node("Conv", "t v", "y", pads=[1, 1]),
    ]
    weights = {"w": np.ones((1, 1, 3), np.float32), "v": np.ones((1, 1, 3), np.float32)}
    model = build(nodes, {"x": [8, 1, 8]}, weights)
    reach = trace(opened(model), {}).tracks["y"].axes[2].reach
    sees = seen(model, 8)
    for place in range(4, sees.shape[1] - 4):
        assert (np.flatnonzero(sees[:, place])[[0, -1]] == reach.at(place)).all()
    assert first_axis(geometry(model)[-1])[:2] == (3, 0.5)


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
