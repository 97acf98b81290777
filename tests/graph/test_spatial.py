"""Receptive fields, output shapes and costs: published tables, the zoo, and brute force."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.geometry import LayerGeometry
from filterkit.graph import name_layers, open_graph, trace_geometry
from filterkit.graph.tracing import trace
from filterkit.records import FilterBank, Preprocessing

VGG16 = Preprocessing(channel_order="BGR", layout="NHWC", size=(224, 224), mean=(103.939, 116.779, 123.68))

VGG16_FIELDS = {
    "block1_conv1": (3, 1, 1), "block1_conv2": (5, 1, 2), "block2_conv1": (10, 2, 4),
    "block2_conv2": (14, 2, 6), "block3_conv1": (24, 4, 10), "block3_conv2": (32, 4, 14),
    "block3_conv3": (40, 4, 18), "block4_conv1": (60, 8, 26), "block4_conv2": (76, 8, 34),
    "block4_conv3": (92, 8, 42), "block5_conv1": (132, 16, 58), "block5_conv2": (164, 16, 74),
    "block5_conv3": (196, 16, 90),
}  # fmt: skip


def geometry(model: onnx.ModelProto, preprocessing: Preprocessing | None = None) -> list[LayerGeometry]:
    graph = opened(model)
    return trace_geometry(graph, banks(graph), preprocessing)


def first_axis(layer: LayerGeometry) -> tuple[float, float, float]:
    assert layer.receptive_field and layer.jump and layer.offset
    return layer.receptive_field[0], layer.jump[0], layer.offset[0]


@pytest.mark.zoo
def test_vgg16(zoo_model: Callable[[str], Path]) -> None:
    graph = open_graph(zoo_model("vgg16"))
    found = banks(graph)
    layers = dict(zip(name_layers(found), trace_geometry(graph, found, VGG16), strict=True))
    assert {name: first_axis(layer) for name, layer in layers.items()} == VGG16_FIELDS
    assert all(layer.receptive_field and len(set(layer.receptive_field)) == 1 for layer in layers.values())
    assert sum(layer.macs or 0 for layer in layers.values()) == 15_346_630_656
    assert layers["block1_conv1"].input_channels == ("B", "G", "R")
    assert layers["block1_conv2"].input_channels == ()
    assert layers["block1_conv1"].output_shape == ("N", 64, "H", "W")
    assert layers["block5_conv3"].output_shape == ("N", 512, "H/16", "W/16")


@pytest.mark.zoo
def test_open_nsfw_strides_on_the_first_1x1(zoo_model: Callable[[str], Path]) -> None:
    graph = open_graph(zoo_model("open-nsfw"))
    found = banks(graph)
    layers = trace_geometry(graph, found)
    assert first_axis(layers[-1])[:2] == (483, 32)
    assert layers[-1].output_shape == ("N", 1024, 7, 7)


@pytest.mark.zoo
def test_unbounded_layers_have_no_receptive_field(zoo_model: Callable[[str], Path]) -> None:
    """gtcrn mixes all frequencies in a MatMul before its first convolution."""
    graph = open_graph(zoo_model("gtcrn"))
    layers = trace_geometry(graph, banks(graph))
    assert all(layer.receptive_field is None for layer in layers)
    assert layers[0].output_shape == (1, 16, 1, 65)
    assert layers[0].macs == 65 * 16 * 9 * 5


@pytest.mark.zoo
def test_basic_pitch_hears_through_its_octaves(zoo_model: Callable[[str], Path]) -> None:
    graph = open_graph(zoo_model("basic-pitch"))
    found = banks(graph)
    layers = dict(zip(name_layers(found), trace_geometry(graph, found), strict=True))
    assert layers["cq_t2010v2_1.conv1d"].receptive_field == (1, 256)
    assert layers["cq_t2010v2_1.conv1d_2"].jump == (1, 2)
    assert layers["conv2d_5"].receptive_field is None


@pytest.mark.zoo
def test_mnist_pads_as_auto_pad_says(zoo_model: Callable[[str], Path]) -> None:
    graph = open_graph(zoo_model("mnist-cnn"))
    gray = Preprocessing(channel_order="GRAY", size=(28, 28))
    first, second = trace_geometry(graph, banks(graph), gray)
    assert (first_axis(first), first_axis(second)) == ((5, 1, 2), (14, 2, 6))
    assert first.input_channels == ("gray",)
    assert first.macs == 28 * 28 * 8 * 25


def bottlenecks(*, stride_on_3x3: bool) -> onnx.ModelProto:
    """ResNet-50 with one channel everywhere: 16 bottlenecks in stages of 3, 4, 6 and 3."""
    nodes = [
        node("Conv", "x w7", "c0", strides=[2, 2], pads=[3, 3, 3, 3]),
        node("Relu", "c0", "r0"),
        node("MaxPool", "r0", "t0", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    here = "t0"
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            first, second = (1, stride) if stride_on_3x3 else (stride, 1)
            tag = f"{stage}_{block}"
            nodes += [
                node("Conv", f"{here} w1", f"a{tag}", strides=[first] * 2),
                node("Relu", f"a{tag}", f"ar{tag}"),
                node("Conv", f"ar{tag} w3", f"b{tag}", strides=[second] * 2, pads=[1] * 4),
                node("Relu", f"b{tag}", f"br{tag}"),
                node("Conv", f"br{tag} w1", f"c{tag}"),
            ]
            shortcut = here
            if not block:
                shortcut = f"s{tag}"
                nodes.append(node("Conv", f"{here} w1", shortcut, strides=[stride] * 2))
            nodes += [node("Add", f"c{tag} {shortcut}", f"d{tag}"), node("Relu", f"d{tag}", f"t{tag}")]
            here = f"t{tag}"
    weights = {f"w{size}": random(1, 1, size, size) for size in (1, 3, 7)}
    return build(nodes, {"x": ["N", 1, "H", "W"]}, weights)


@pytest.mark.parametrize(("stride_on_3x3", "field"), [(False, 483), (True, 427)])
def test_resnet50_as_published(stride_on_3x3: bool, field: int) -> None:
    """483 and 427 as in google-research's receptive_field table and torchvision's variant."""
    layers = geometry(bottlenecks(stride_on_3x3=stride_on_3x3))
    assert len(layers) == 53
    assert first_axis(layers[-1])[:2] == (field, 32)
    assert layers[-1].output_shape == ("N", 1, "H/32", "W/32")
    assert layers[-1].macs is None


LENGTH = 300
KINDS = (
    *("conv", "same", "pool", "pad", "slice", "branch", "concat"),
    *("transposed", "to_size", "beside", "resize"),
)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """A random chain of one-dimensional steps with one channel, closed by a convolution."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Any] = {}
    here = "x"
    for place in range(draw(st.integers(1, 4))):
        there = f"t{place}"
        kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        before, behind = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        taps = np.ones((1, 1, kernel), np.float32)
        match draw(st.sampled_from(KINDS)):
            case "conv":
                values = {"pads": [before, behind], "dilations": [dilation], "strides": [stride]}
                step, constant = [node("Conv", f"{here} w{place}", there, **values)], {"w": taps}
            case "same":
                auto = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
                step = [
                    node("Conv", f"{here} w{place}", there, auto_pad=auto, strides=[min(stride, kernel + 1)])
                ]
                constant = {"w": taps}
            case "pool":
                pads = [min(before, kernel - 1), min(behind, kernel - 1)]
                values = {"kernel_shape": [kernel], "strides": [stride], "count_include_pad": 1}
                step, constant = [node("AveragePool", here, there, pads=pads, **values)], {}
            case "pad":
                step = [node("Pad", f"{here} p{place}", there)]
                constant = {"p": np.array([0, 0, before, 0, 0, behind])}
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
    """Which of the inputs each output sees: ONNX Runtime's answer to NaN in one place after the other."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    impulses = np.eye(length, dtype=np.float32)[:, None]
    return session.run(None, {"x": impulses})[0][:, 0] != 0


@settings(max_examples=150, deadline=None)
@given(chains())
def test_brute_force(chain: tuple[list[onnx.NodeProto], dict[str, Any]]) -> None:
    """Feed every unit impulse: all weights being positive, an output is non-zero where it sees it."""
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


def test_transposed_convolution_counts_input_positions() -> None:
    """Every input position meets every weight of its group once."""
    nodes = [node("ConvTranspose", "x w", "y", strides=[2, 2], group=2)]
    layer = geometry(build(nodes, {"x": [1, 4, 5, 7]}, {"w": random(4, 3, 2, 2)}))[0]
    assert layer.macs == 5 * 7 * 4 * 3 * 4
    assert layer.output_shape == (1, 6, 10, 14)
    assert layer.jump == (0.5, 0.5)


@pytest.mark.parametrize("values", [{"output_shape": [17]}, {"output_shape": [14]}, {"output_padding": [1]}])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_transposed_convolutions_whose_size_is_stated(values: dict[str, Any], auto_pad: str) -> None:
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


def test_macs_are_for_one_picture() -> None:
    nodes = [node("Conv", "x w", "y")]
    one, eight = (geometry(build(nodes, {"x": [n, 3, 9, 9]}, {"w": random(4, 3, 2, 2)}))[0] for n in (1, 8))
    assert one.macs == eight.macs == 8 * 8 * 4 * 3 * 4


def test_three_dimensions_each_have_their_own_reach() -> None:
    nodes = [
        node("Conv", "x w", "y", strides=[1, 2, 3], dilations=[1, 2, 1], pads=[0, 1, 2, 0, 1, 2]),
        node("Conv", "y v", "z"),
    ]
    shape = {"x": [1, 1, 20, 20, 20]}
    layer = geometry(build(nodes, shape, {"w": random(1, 1, 2, 3, 4), "v": random(1, 1, 2, 2, 2)}))[1]
    assert layer.receptive_field == (3, 7, 7)
    assert layer.jump == (1, 2, 3)
    assert layer.offset == (0, 1, 2)


def gated(*gate: onnx.NodeProto, size: int | str = 16, **more: Any) -> list[LayerGeometry]:
    """A convolution, what it makes times what `gate` makes of it (``c`` to ``p``), and a second one."""
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
def test_a_gate_shows_the_whole_picture_besides(gate: list[onnx.NodeProto]) -> None:
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
    for inside in layers[1:-1]:  # what computes the gate has no window, and sees all of the picture
        assert (inside.receptive_field, inside.global_context) == (None, True)


@pytest.mark.parametrize("axis", [1, -3])
def test_channels_are_no_context(axis: int) -> None:
    for gate in ("Softmax", "ArgMax", "LpNormalization"):
        nodes = [node(gate, "c", "q", axis=axis), node("Cast", "q", "p", to=1)]
        assert [layer.global_context for layer in gated(*nodes)] == [False, False]


@pytest.mark.parametrize("op", ["Foreign", "Split"])
def test_what_sees_nobody_knows_what_has_no_receptive_field(op: str) -> None:
    first, second = gated(node(op, "c", "p", domain="somebody", axis=2))
    assert (first.receptive_field, first.global_context) == ((3, 3), False)
    assert (second.receptive_field, second.global_context) == (None, None)


def test_a_running_sum_has_no_window() -> None:
    nodes = [node("CumSum", "x axis", "s"), node("Conv", "s w", "y")]
    [layer] = geometry(build(nodes, {"x": [1, 3, 16]}, {"axis": np.array(2), "w": random(2, 3, 3)}))
    assert layer.receptive_field is None


def test_weights_that_a_gate_mixes_show_the_whole_picture() -> None:
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


@pytest.mark.parametrize("shape", [[], [1], [1, 1]])
def test_a_number_among_the_inputs_is_no_picture(shape: list[int]) -> None:
    nodes = [node("Conv", "x w", "c"), node("Mul", "c number", "m"), node("Conv", "m v", "y")]
    constants = {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3)}
    layers = geometry(build(nodes, {"number": shape, "x": [1, 3, 16, 16]}, constants))
    assert [layer.receptive_field for layer in layers] == [(3, 3), (5, 5)]
    assert [layer.global_context for layer in layers] == [False, False]


def test_dynamic_quantization_says_nothing_of_places() -> None:
    """The scale is that of all values, and yet no context."""
    nodes, here = [], "x"
    for place in range(2):
        nodes += [
            node("DynamicQuantizeLinear", here, f"q{place} s{place} z{place}"),
            node("ConvInteger", f"q{place} w{place} z{place}", f"i{place}", pads=[1] * 4),
            node("Cast", f"i{place}", f"f{place}", to=1),
            node("Mul", f"s{place} ws", f"ss{place}"),
            node("Mul", f"f{place} ss{place}", f"m{place}"),
            node("Relu", f"m{place}", f"y{place}"),
        ]
        here = f"y{place}"
    constants = {
        "w0": np.ones((2, 3, 3, 3), np.uint8), "w1": np.ones((2, 2, 3, 3), np.uint8), "ws": np.float32(0.1),
    }  # fmt: skip
    layers = geometry(build(nodes, {"x": [1, 3, 16, 16]}, constants))
    assert [layer.receptive_field for layer in layers] == [(3, 3), (5, 5)]
    assert [layer.global_context for layer in layers] == [False, False]


@pytest.mark.parametrize("free", [-1, 0])
def test_sizes_below_one_are_free(free: int) -> None:
    nodes = [node("Conv", "x w", "c", strides=[2, 2], pads=[2] * 4), node("Conv", "c v", "y", pads=[1] * 4)]
    constants = {"w": random(2, 3, 3, 3), "v": random(2, 2, 3, 3)}
    model = build(nodes, {"x": [free, 3, free, free]}, constants)
    stated = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, [free, 2, free, free])
    model.graph.value_info.append(stated)
    assert opened(model).inputs[0].shape == (None, 3, None, None)
    layers = geometry(model)
    assert [layer.output_shape for layer in layers] == [("N", 2, "H/2", "W/2")] * 2
    assert [layer.macs for layer in layers] == [None, None]


def test_what_is_no_number_is_no_shape_and_no_padding() -> None:
    """A node that computes something of nothing, and a start that is complex."""
    nodes = [
        node("Transpose", "_", "nothing"),
        node("Slice", "x start end axes", "s"),
        node("Conv", "s w", "y"),
    ]
    constants = {
        "w": random(2, 3, 3, 3),
        "start": np.array([1j]),
        "end": np.array([9]),
        "axes": np.array([2]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [layer] = geometry(build(nodes, {"x": [1, 3, 16, 16]}, constants))
    assert layer.receptive_field is None


def test_reshapes_that_keep_an_axis_are_followed() -> None:
    """A one-dimensional convolution over rows of a picture whose columns became channels."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1, 3]),
        node("Reshape", "t shape", "r"),
        node("Transpose", "r", "u", perm=[0, 2, 1]),
        node("Conv", "u w", "y"),
    ]
    constants = {"shape": np.array([0, 0, -1]), "w": random(2, 3 * 16, 5)}
    layer = geometry(build(nodes, {"x": [1, 3, 24, 16]}, constants))[0]
    assert (layer.receptive_field, layer.jump, layer.offset) == ((5,), (1,), (0,))


def test_padding_that_the_graph_computes_from_shapes() -> None:
    """Exporters write ``auto_pad`` out as arithmetic: pad so that ceil(size / 2) positions come out."""
    nodes = [
        node("Conv", "x w", "c", strides=[2]),
        node("Shape", "c", "shape"),
        node("Gather", "shape two", "size"),
        node("Mod", "size two", "odd"),
        node("Concat", "none odd none one", "pads", axis=0),
        node("Pad", "c pads", "p"),
        node("Conv", "p w", "y", strides=[2]),
    ]
    constants = {"w": random(1, 1, 3), "two": np.array([2]), "one": np.array([1]), "none": np.array([0, 0])}
    odd, even = (geometry(build(nodes, {"x": ["N", 1, size]}, constants))[1] for size in (31, 33))
    assert (odd.offset, even.offset) == ((2,), (0,))
    assert (odd.output_shape, even.output_shape) == (("N", 1, 8), ("N", 1, 8))
    assert odd.receptive_field == even.receptive_field == (7,)


def test_channel_names_need_the_picture_itself() -> None:
    """Scaling keeps the channels; swapping or mixing them does not."""
    rgb = Preprocessing(size=(16, 16))
    constants = {
        "w": random(2, 3, 3, 3),
        "k": np.float32(2),
        "order": np.array([2, 1, 0]),
        "one": random(3, 3, 1, 1),
    }

    def names(*before: onnx.NodeProto) -> tuple[str, ...]:
        model = build([*before, node("Conv", "p w", "y")], {"x": ["N", 3, "H", "W"]}, constants)
        return geometry(model, rgb)[-1].input_channels

    assert names(node("Mul", "x k", "p")) == ("R", "G", "B")
    assert names(node("Gather", "x order", "p", axis=1)) == ()
    assert names(node("Conv", "x one", "p")) == ()
    assert names(node("MaxPool", "x", "p", kernel_shape=[2, 2])) == ()
