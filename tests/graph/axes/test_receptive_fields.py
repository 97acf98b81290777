"""Receptive fields, output shapes and costs, compared with published tables and the zoo."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from dependence import first_axis, geometry
from onnx_graphs import banks, build, node, random

from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.layers.naming import name_layers
from filterkit.graph.loading.load import open_graph
from filterkit.records import Preprocessing

VGG16 = Preprocessing(channel_order="BGR", layout="NHWC", size=(224, 224), mean=(103.939, 116.779, 123.68))

VGG16_FIELDS = {
    "block1_conv1": (3, 1, 1), "block1_conv2": (5, 1, 2), "block2_conv1": (10, 2, 4),
    "block2_conv2": (14, 2, 6), "block3_conv1": (24, 4, 10), "block3_conv2": (32, 4, 14),
    "block3_conv3": (40, 4, 18), "block4_conv1": (60, 8, 26), "block4_conv2": (76, 8, 34),
    "block4_conv3": (92, 8, 42), "block5_conv1": (132, 16, 58), "block5_conv2": (164, 16, 74),
    "block5_conv3": (196, 16, 90),
}  # fmt: skip


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
def test_basic_pitch_through_its_octaves(zoo_model: Callable[[str], Path]) -> None:
    graph = open_graph(zoo_model("basic-pitch"))
    found = banks(graph)
    layers = dict(zip(name_layers(found), trace_geometry(graph, found), strict=True))
    assert layers["cq_t2010v2_1.conv1d"].receptive_field == (1, 256)
    assert layers["cq_t2010v2_1.conv1d_2"].jump == (1, 2)
    assert layers["conv2d_5"].receptive_field is None


@pytest.mark.zoo
def test_mnist_with_auto_pad(zoo_model: Callable[[str], Path]) -> None:
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


def test_transposed_convolution_counts_input_positions() -> None:
    """Every input position is multiplied by every weight of its group once."""
    nodes = [node("ConvTranspose", "x w", "y", strides=[2, 2], group=2)]
    layer = geometry(build(nodes, {"x": [1, 4, 5, 7]}, {"w": random(4, 3, 2, 2)}))[0]
    assert layer.macs == 5 * 7 * 4 * 3 * 4
    assert layer.output_shape == (1, 6, 10, 14)
    assert layer.jump == (0.5, 0.5)


def test_macs_are_for_one_picture() -> None:
    nodes = [node("Conv", "x w", "y")]
    one, eight = (geometry(build(nodes, {"x": [n, 3, 9, 9]}, {"w": random(4, 3, 2, 2)}))[0] for n in (1, 8))
    assert one.macs == eight.macs == 8 * 8 * 4 * 3 * 4


def test_three_dimensions() -> None:
    nodes = [
        node("Conv", "x w", "y", strides=[1, 2, 3], dilations=[1, 2, 1], pads=[0, 1, 2, 0, 1, 2]),
        node("Conv", "y v", "z"),
    ]
    shape = {"x": [1, 1, 20, 20, 20]}
    layer = geometry(build(nodes, shape, {"w": random(1, 1, 2, 3, 4), "v": random(1, 1, 2, 2, 2)}))[1]
    assert layer.receptive_field == (3, 7, 7)
    assert layer.jump == (1, 2, 3)
    assert layer.offset == (0, 1, 2)


def test_invalid_shapes_and_paddings() -> None:
    """A node without inputs, and a complex number as a start."""
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


def test_padding_computed_from_shapes() -> None:
    """Exporters decompose ``auto_pad``: pad so that there are ceil(size / 2) output positions."""
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


def test_channel_names_require_the_picture_itself() -> None:
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
