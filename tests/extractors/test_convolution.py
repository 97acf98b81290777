"""Filter banks: of the zoo, of every kind of convolution, and reasons where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import banks, build, found, node, opened, random

from filterkit.graph.axes.receptive_fields import trace_geometry
from filterkit.graph.loading.load import open_graph
from filterkit.records import FilterBank, RunOptions, Skipped
from filterkit.runtime.convolve import Sliding, convolve


@pytest.mark.zoo
@pytest.mark.parametrize(
    ("name", "layers", "filters", "kernels"),
    [
        ("vgg16", 13, 4224, 1_634_496),
        ("open-nsfw", 53, 13312, 3_351_744),
        ("gtcrn", 22, 290, 3600),
        ("basic-pitch", 32, 731, 1081),
        ("silero-vad", 12, 1158, 66_436),
        ("mnist-cnn", 2, 24, 136),
    ],
)
def test_counts_of_the_zoo(
    zoo_model: Callable[[str], Path], name: str, layers: int, filters: int, kernels: int
) -> None:
    all_banks = banks(open_graph(zoo_model(name)))
    assert len(all_banks) == layers
    assert sum(bank.out_channels for bank in all_banks) == filters
    assert sum(bank.weights.shape[0] * bank.weights.shape[1] for bank in all_banks) == kernels
    for bank in all_banks:
        assert bank.weights.shape == (bank.out_channels, bank.in_channels // bank.groups, *bank.kernel_shape)
        assert bank.weights.flags.c_contiguous and bank.weights.dtype == np.float32


@pytest.mark.zoo
def test_vgg16_holds_the_weights_that_keras_publishes(zoo_model: Callable[[str], Path]) -> None:
    all_banks = banks(open_graph(zoo_model("vgg16")))
    first = all_banks[0]
    expected = [
        [0.42947057, 0.373467, -0.06136011],
        [0.27476987, 0.03868078, -0.36722335],
        [-0.05746817, -0.26224968, -0.35009676],
    ]
    np.testing.assert_allclose(first.weights[0, 0], expected, rtol=1e-6)
    assert first.bias is not None
    np.testing.assert_allclose(first.bias[:4], [0.73429835, 0.09340367, 0.06775674, 0.8862966], rtol=1e-6)
    parameters = sum(
        bank.weights.size + (bank.bias.size if bank.bias is not None else 0) for bank in all_banks
    )
    assert parameters == 14_714_688
    assert {bank.activation for bank in all_banks} == {"relu"}
    assert {(bank.source_dtype, bank.source_layout) for bank in all_banks} == {("float32", "OIHW")}


@pytest.mark.parametrize(
    ("name", "layers", "macs"),
    [
        ("vgg19", 16, 19_508_428_800),
        ("resnet50", 53, 4_087_136_256),
        ("squeezenet", 26, 349_151_936),
        ("densenet121", 121, 2_834_161_664),
    ],
)
def test_networks_whose_weights_are_constant_of_shape(name: str, layers: int, macs: int) -> None:
    """onnx's own test networks; multiplications as published for them (19.5, 4.1, 0.35 and 2.8 billion)."""
    graph = open_graph(Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx")
    all_banks = banks(graph)
    assert len(all_banks) == layers
    assert sum(layer.macs or 0 for layer in trace_geometry(graph, all_banks)) == macs


@pytest.mark.zoo
def test_nodes_that_share_a_weight_are_layers_of_their_own(zoo_model: Callable[[str], Path]) -> None:
    assert len({bank.weight_tensor for bank in banks(open_graph(zoo_model("basic-pitch")))}) == 9


@pytest.mark.zoo
def test_mnist_has_its_bias_in_an_add(zoo_model: Callable[[str], Path]) -> None:
    first, second = banks(open_graph(zoo_model("mnist-cnn")))
    assert first.bias is not None and first.bias.shape == (8,)
    assert second.bias is not None and second.bias.shape == (16,)
    assert (first.auto_pad, first.pre_tensor, first.post_tensor) == (
        "SAME_UPPER",
        "Plus30_Output_0",
        "ReLU32_Output_0",
    )


@pytest.mark.parametrize(
    ("op", "weight", "channels", "size", "values"),
    [
        ("Conv", (4, 3, 3, 3), 3, (8, 9), {}),
        ("Conv", (4, 3, 5), 3, (20,), {"dilations": [2], "pads": [3, 1]}),
        ("Conv", (4, 3, 2, 3, 2), 3, (4, 5, 6), {"strides": [1, 2, 1]}),
        ("Conv", (6, 2, 3, 3), 6, (8, 9), {"group": 3}),
        ("Conv", (6, 1, 3, 3), 6, (8, 9), {"group": 6}),
        ("Conv", (4, 3, 3, 3), 3, (8, 9), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
        ("ConvTranspose", (3, 4, 3, 3), 3, (5, 6), {"strides": [2, 2], "output_padding": [1, 0]}),
        ("ConvTranspose", (6, 2, 3, 3), 6, (5, 6), {"group": 3, "pads": [1, 0, 1, 0]}),
        ("ConvTranspose", (6, 1, 4), 6, (9,), {"group": 6, "dilations": [2]}),
    ],
)
def test_banks_compute_what_the_node_computes(
    op: str, weight: tuple[int, ...], channels: int, size: tuple[int, ...], values: dict[str, Any]
) -> None:
    """An impulse in one input channel must come out as that channel's kernels, flipped for a Conv."""
    stored = random(*weight)
    model = build([node(op, "x w", "y", **values)], {"x": [1, channels, *size]}, {"w": stored})
    bank = banks(opened(model))[0]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    per_group = bank.out_channels // bank.groups
    for channel in range(channels):
        impulse = np.zeros((1, channels, *size), np.float32)
        impulse[(0, channel, *(length // 2 for length in size))] = 1
        response = session.run(None, {"x": impulse})[0][0]
        group, place = divmod(channel, bank.in_channels // bank.groups)
        for filter_ in range(bank.out_channels):
            kernel = bank.weights[filter_, place]
            if filter_ // per_group != group:
                assert not response[filter_].any()
            elif bank.strides == (1,) * len(size):
                seen = response[filter_][response[filter_] != 0]
                order = np.flip(kernel).ravel() if op == "Conv" else kernel.ravel()
                np.testing.assert_allclose(seen, order, rtol=1e-6)
            else:
                assert np.isin(
                    np.round(response[filter_][response[filter_] != 0], 5), np.round(kernel, 5)
                ).all()


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_a_stated_output_shape_becomes_the_pads_that_it_means(auto_pad: str) -> None:
    values = {"strides": [2, 3], "output_shape": [9, 14], "auto_pad": auto_pad}
    model = build(
        [node("ConvTranspose", "x w", "y", **values)], {"x": [1, 3, 5, 5]}, {"w": random(3, 4, 4, 4)}
    )
    [bank] = banks(opened(model))
    assert bank.auto_pad == "NOTSET"
    assert sum(bank.pads) == (2 * 4 + 4 - 9) + (3 * 4 + 4 - 14)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = random(1, 3, 5, 5, seed=1)
    sliding = Sliding(transposed=True, strides=bank.strides, pads=bank.pads)
    made = convolve(bank.weights, None, picture, sliding, options=RunOptions(provider="cpu"))
    np.testing.assert_allclose(made, session.run(None, {"x": picture})[0], atol=1e-5)


def skipped_reason(*nodes: onnx.NodeProto, opset: int = 17, **constants: Any) -> str:
    inputs = {"x": [1, 2, 8, 8], "dynamic": [4, 2, 3, 3], "bias": [4]}
    results = found(opened(build(nodes, inputs, constants, opset=opset)))
    (only,) = results
    assert isinstance(only, Skipped)
    return only.reason


def test_reasons() -> None:
    weight = random(4, 2, 3, 3)
    assert skipped_reason(node("Conv", "x dynamic", "y")) == "the weight is an input of the model ('dynamic')"
    assert skipped_reason(node("Relu", "dynamic", "r", name="r"), node("Conv", "x r", "y")) == (
        "the weight is computed from the model's input at run time by node 'r' (Relu)"
    )
    assert skipped_reason(node("Conv", "x w bias", "y"), w=weight).startswith("the bias is an input")
    assert "groups" in skipped_reason(node("Conv", "x w", "y", group=3), w=weight)
    assert "kernel_shape" in skipped_reason(node("Conv", "x w", "y", kernel_shape=[5, 5]), w=weight)
    assert "strides [0, 1]" in skipped_reason(node("Conv", "x w", "y", strides=[0, 1]), w=weight)
    assert "pads" in skipped_reason(node("Conv", "x w", "y", pads=[1]), w=weight)
    assert "axes" in skipped_reason(node("Conv", "x w", "y"), w=random(4, 2))
    assert "empty" in skipped_reason(node("Conv", "x w", "y"), w=random(0, 2, 3, 3))
    assert "one value per output" in skipped_reason(node("Conv", "x w b", "y"), w=weight, b=random(3))


def test_a_bomb_is_skipped_and_the_rest_is_extracted() -> None:
    nodes = [node("Conv", "x w", "a"), node("ConstantOfShape", "huge", "v"), node("Conv", "a v", "y")]
    constants = {"w": random(4, 2, 3, 3), "huge": np.array([2**20, 2**10, 3, 3])}
    first, second = found(opened(build(nodes, {"x": [1, 2, 8, 8]}, constants)))
    assert isinstance(first, FilterBank)
    assert isinstance(second, Skipped) and "too large" in second.reason
