"""Receptive fields of random chains, compared with what ONNX Runtime's outputs depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_graphs import banks, build, node, opened

from filterkit.geometry import LayerGeometry
from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.axes.trace import trace
from filterkit.records import Preprocessing


def geometry(model: onnx.ModelProto, preprocessing: Preprocessing | None = None) -> list[LayerGeometry]:
    graph = opened(model)
    return trace_geometry(graph, banks(graph), preprocessing)


def first_axis(layer: LayerGeometry) -> tuple[float, float, float]:
    assert layer.receptive_field and layer.jump and layer.offset
    return layer.receptive_field[0], layer.jump[0], layer.offset[0]


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
