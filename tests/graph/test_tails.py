"""Through Squeeze, Reshape and norms to the activation, and what is none."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import cycle, pairwise
from types import FrameType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx_graphs import banks, build, node, opened, random

from filterkit.graph.activations import MOST_STEPS, MOST_TRIES
from filterkit.graph.regions import MOST_NODES
from filterkit.records import FilterBank

CONSTANTS: dict[str, Any] = {
    "w": random(4, 3, 3, 3), "w1": random(4, 3, 1, 5), "b": random(4, seed=1),
    "column": random(1, 4, 1, 1, seed=2), "line": random(1, 4, 1, seed=2), "scale": random(4, 1, 1, seed=3),
    "along": np.array([1, 2, 3, 4, 5, 6], np.float32), "eps": np.float32(1e-5),
    "ones": np.ones(4, np.float32), "zeros": np.zeros(4, np.float32),
    "g1": np.ones(2, np.float32), "g0": np.zeros(2, np.float32),
    "half": np.float32(0.5), "one": np.float32(1), "two": np.float32(2), "zero": np.float32(0),
    "six": np.float32(6), "four": np.float32(4), "a1": np.array([1]), "a2": np.array([2]), "a23": np.array([2, 3]),
    "a123": np.array([1, 2, 3]), "a234": np.array([2, 3, 4]), "i0": np.array([0]), "i2": np.array([2]),
    "i4": np.array([4]), "to_line": np.array([1, 4, 28]), "to_space": np.array([0, 0, -1]),
    "to_groups": np.array([0, 2, -1]), "to_five": np.array([0, 2, 2, 6, 6]),
    "to_one": np.array([1, 1, 144]), "to_rows": np.array([2, 72]), "to_all": np.array([1, -1]),
    "to_tokens": np.array([-1, 4]), "back_last": np.array([1, 6, 6, 4]),
    "back_first": np.array([1, 4, 6, 6]), "many": np.ones(72, np.float32),
    "every": np.ones(144, np.float32), "places": np.ones(36, np.float32), "map": np.ones((6, 6), np.float32),
    "to_volume": np.array([1, 1, 4, 6, 6]), "back": np.array([0, 4, 6, 6]), "mixed": np.array([1, 2, 2, 36]),
}  # fmt: skip

LINE = [1, 3, 1, 32]
PICTURE = [1, 3, 8, 8]


def bank(*behind: onnx.NodeProto, shape: list[Any] = PICTURE, opset: int = 18, **more: Any) -> FilterBank:
    """The bank of ``x -> Conv -> c`` with some nodes behind."""
    weight = "w1" if shape[2] == 1 else "w"
    used = {name for one in behind for name in one.input} | {weight}
    constants = {name: value for name, value in (CONSTANTS | more).items() if name in used}
    inputs = {"x": shape} | ({"r": [1, 4, 6, 6]} if "r" in used else {})
    model = build([node("Conv", f"x {weight}", "c"), *behind], inputs, constants, opset=opset)
    return banks(opened(model))[0]


RELU = node("Relu", "z", "y")

MOVED = {
    "squeeze": ([node("Squeeze", "c a2", "s"), node("Add", "s line", "z"), RELU], LINE, "NCW"),
    "squeeze without axes": (
        [node("Squeeze", "c", "s"), node("Add", "s line", "z"), RELU],
        [None, 3, 1, 32],
        None,
    ),
    "reshape": ([node("Reshape", "c to_line", "s"), node("Add", "s line", "z"), RELU], LINE, "NCW"),
    "open size": (
        [node("Reshape", "c to_space", "s"), node("Add", "s line", "z"), RELU],
        ["n", 3, 8, "w"],
        "NCW",
    ),
    "flatten space": ([node("Reshape", "c to_space", "s"), node("Add", "s line", "z"), RELU], PICTURE, "NCW"),
    "there and back": (
        [
            node("Squeeze", "c a2", "s"),
            node("Add", "s line", "z"),
            node("Unsqueeze", "z a2", "u"),
            node("Relu", "u", "y"),
        ],
        LINE,
        "NCW",
    ),
    "tokens": (
        [
            node("Reshape", "c to_space", "s"),
            node("Transpose", "s", "t", perm=[0, 2, 1]),
            node("Add", "t b", "z"),
            RELU,
        ],
        PICTURE,
        "NWC",
    ),
}


@pytest.mark.parametrize("case", MOVED)
def test_bias_and_activation_behind_moved_axes(case: str) -> None:
    nodes, shape, layout = MOVED[case]
    found = bank(*nodes, shape=shape)
    if layout is None:  # nobody knows which axes go
        assert (found.activation, found.bias, found.post_tensor) == (None, None, "c")
        return
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("relu", "y", "z")
    assert found.pre_layout == layout
    expected = CONSTANTS["b"] if case == "tokens" else CONSTANTS["line"].ravel()
    np.testing.assert_array_equal(found.bias, expected)


def test_flatten_keeps_channels_where_there_is_one_position() -> None:
    nodes = [node("Flatten", "c", "f"), node("Add", "f b", "z"), RELU]
    found = bank(*nodes, shape=[1, 3, 3, 3])
    assert (found.activation, found.pre_layout) == ("relu", "NC") and found.bias is not None
    found = bank(node("Flatten", "c", "f"), node("Relu", "f", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")


def test_batch_norm_behind_a_squeeze() -> None:
    nodes = [
        node("Squeeze", "c a2", "s"),
        node("BatchNormalization", "s ones zeros zeros ones", "z"),
        RELU,
    ]
    found = bank(*nodes, shape=LINE)
    assert found.batchnorm is not None and found.batchnorm.layout == "NCW"
    assert (found.activation, found.post_layout) == ("relu", "NCW")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Reshape", "c mixed", "s"), node("Relu", "s", "y")],
        [node("Add", "c along", "s"), node("Relu", "s", "y")],
        [node("Add", "c r", "s"), node("Relu", "s", "y")],
        [node("Mul", "c r", "s"), node("Relu", "s", "y")],
        [node("Sigmoid", "r", "g"), node("Mul", "c g", "y")],
        [node("Max", "c r", "y")],
        [node("Mul", "c two", "s"), node("Sub", "s one", "y")],
        [node("Greater", "c zero", "g"), node("Cast", "g", "y", to=TensorProto.FLOAT)],
        [node("Relu", "c", "y"), node("Sigmoid", "c", "z")],
        [node("MaxPool", "c", "p", kernel_shape=[2, 2]), node("Relu", "p", "y")],
        [node("ReduceMean", "c a1", "m"), node("Mul", "c m", "y")],
        [node("Cast", "c", "i", to=6), node("Cast", "i", "f", to=1), node("Relu", "f", "y")],
        [node("Mul", "c c", "s"), node("Relu", "s", "y")],
    ],
    ids=[
        "mixed channels", "positions along W", "residual", "other scale", "other gate", "of two layers",
        "affine", "mask", "two activations", "pooled", "mean", "rounded", "square",
    ],
)  # fmt: skip
def test_what_is_no_activation_of_the_layer(nodes: list[onnx.NodeProto]) -> None:
    outputs = [each.output[0] for each in nodes if each.output[0] in ("y", "z")]
    used = {name for one in nodes for name in one.input} | {"w"}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    inputs: dict[str, Any] = {"x": PICTURE} | ({"r": [1, 4, 6, 6]} if "r" in used else {})
    found = banks(
        opened(build([node("Conv", "x w", "c"), *nodes], inputs, constants, outputs=outputs, opset=18))
    )[0]
    assert (found.activation, found.post_tensor, found.bias) == (None, "c", None)


NORMS: dict[str, tuple[str, list[onnx.NodeProto]]] = {
    "instance": ("instance_norm", [node("InstanceNormalization", "c ones zeros", "z")]),
    "lrn": ("lrn", [node("LRN", "c", "z", size=3)]),
    "group": ("group_norm", [node("GroupNormalization", "c g1 g0", "z", num_groups=2)]),
    "layer": (
        "layer_norm",
        [
            node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
            node("LayerNormalization", "t ones zeros", "n", axis=-1),
            node("Transpose", "n", "z", perm=[0, 3, 1, 2]),
        ],
    ),
    "group by PyTorch": (
        "group_norm",
        [
            node("Shape", "c", "shape"),
            node("Reshape", "c to_groups", "q"),
            node("InstanceNormalization", "q g1 g0", "n"),
            node("Reshape", "n shape", "u"),
            node("Mul", "u scale", "m"),
            node("Add", "m column", "z"),
        ],
    ),
    "group by PyTorch, shifted by Sum": (
        "group_norm",
        [
            node("Reshape", "c to_groups", "q"),
            node("InstanceNormalization", "q g1 g0", "n"),
            node("Sum", "n half", "m"),
            node("Reshape", "m back", "z"),
        ],
    ),
    "group by LayerNormalization": (
        "group_norm",
        [
            node("Reshape", "c to_groups", "q"),
            node("LayerNormalization", "q many", "n", axis=2),
            node("Reshape", "n back", "z"),
        ],
    ),
    "group by LayerNormalization, one group": (
        "group_norm",
        [
            node("Reshape", "c to_one", "q"),
            node("LayerNormalization", "q every", "n", axis=-1),
            node("Reshape", "n back", "z"),
        ],
    ),
    "group by LayerNormalization, pictures joined": (
        "group_norm",
        [
            node("Reshape", "c to_rows", "q"),
            node("LayerNormalization", "q many", "n"),
            node("Reshape", "n back_first", "z"),
        ],
    ),
    "layer by LayerNormalization of all": (
        "layer_norm",
        [
            node("Reshape", "c to_all", "q"),
            node("LayerNormalization", "q every", "n", axis=1),
            node("Reshape", "n back", "z"),
        ],
    ),
    "layer by LayerNormalization of tokens": (
        "layer_norm",
        [
            node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
            node("Reshape", "t to_tokens", "q"),
            node("LayerNormalization", "q ones", "n"),
            node("Reshape", "n back_last", "z"),
        ],
    ),
    "instance by LayerNormalization": (
        "instance_norm",
        [
            node("Reshape", "c to_space", "q"),
            node("LayerNormalization", "q places", "z"),
        ],
    ),
    "instance by LayerNormalization of pictures": (
        "instance_norm",
        [node("LayerNormalization", "c map", "z", axis=2)],
    ),
    "group by parts": (
        "group_norm",
        [
            node("Reshape", "c to_five", "q"),
            node("ReduceMean", "q a234", "mean"),
            node("Sub", "q mean", "d"),
            node("Mul", "d d", "d2"),
            node("ReduceMean", "d2 a234", "v"),
            node("Add", "v eps", "e"),
            node("Sqrt", "e", "r2"),
            node("Div", "d r2", "n"),
            node("Reshape", "n back", "u"),
            node("Mul", "u scale", "z"),
        ],
    ),
    **{
        f"{name} by parts, {axes}": (
            name,
            [
                node("ReduceMean", f"c {axes}", "mean"),
                node("Sub", "c mean", "d"),
                node("Pow", "d two", "d2"),
                node("ReduceMean", f"d2 {axes}", "v"),
                node("Add", "v eps", "e"),
                node("Sqrt", "e", "r2"),
                node("Div", "d r2", "n"),
                node("Mul", "n scale", "m"),
                node("Add", "m column", "z"),
            ],
        )
        for name, axes in (("instance_norm", "a23"), ("layer_norm", "a1"), ("layer_norm", "a123"))
    },
    "instance by TensorFlow": (
        "instance_norm",
        [
            node("ReduceMean", "c a23", "mean"),
            node("Sub", "c mean", "d"),
            node("Mul", "d d", "d2"),
            node("ReduceMean", "d2 a23", "v"),
            node("Add", "v eps", "e"),
            node("Sqrt", "e", "r2"),
            node("Reciprocal", "r2", "i"),
            node("Mul", "i scale", "f"),
            node("Mul", "c f", "m"),
            node("Mul", "mean f", "mm"),
            node("Sub", "column mm", "s"),
            node("Add", "m s", "z"),
        ],
    ),
    "lrn by PyTorch of pictures": (
        "lrn",
        [
            node("Mul", "c c", "q"),
            node("Reshape", "q to_volume", "u"),
            node("Pad", "u pads", "p"),
            node("AveragePool", "p", "m", kernel_shape=[3, 1, 1], strides=[1, 1, 1]),
            node("Squeeze", "m a1", "s"),
            node("Reshape", "s back", "f"),
            node("Mul", "f half", "sc"),
            node("Add", "sc one", "k"),
            node("Pow", "k half", "r2"),
            node("Div", "c r2", "z"),
        ],
    ),
    **{
        f"{name} of RMS by parts, {axes}": (
            name,
            [
                node("Mul", "c c", "q"),
                node("ReduceMean", f"q {axes}", "v"),
                node("Add", "v eps", "e"),
                node("Sqrt", "e", "r2"),
                node("Div", "c r2", "n"),
                node("Mul", "n scale", "z"),
            ],
        )
        for name, axes in (("layer_norm", "a1"), ("layer_norm", "a123"), ("instance_norm", "a23"))
    },
    "RMS by a sum of squares": (
        "layer_norm",
        [
            node("ReduceSumSquare", "c a1", "q"),
            node("Div", "q four", "v"),
            node("Add", "v eps", "e"),
            node("Sqrt", "e", "r2"),
            node("Div", "c r2", "z"),
        ],
    ),
    "layer by a sum of squares": (
        "layer_norm",
        [
            node("ReduceMean", "c a1", "mean"),
            node("Sub", "c mean", "d"),
            node("ReduceSumSquare", "d a1", "q"),
            node("Mul", "q half", "v"),
            node("Add", "v eps", "e"),
            node("Sqrt", "e", "r2"),
            node("Div", "d r2", "z"),
        ],
    ),
    "RMS by a reciprocal": (
        "layer_norm",
        [
            node("Pow", "c two", "q"),
            node("ReduceMean", "q a1", "v"),
            node("Add", "v eps", "e"),
            node("Sqrt", "e", "r2"),
            node("Reciprocal", "r2", "i"),
            node("Mul", "i scale", "f"),
            node("Mul", "c f", "z"),
        ],
    ),
    "lrn by PyTorch": (
        "lrn",
        [
            node("Mul", "c c", "q"),
            node("Unsqueeze", "q a1", "u"),
            node("Pad", "u pads", "p"),
            node("AveragePool", "p", "m", kernel_shape=[3, 1, 1]),
            node("Squeeze", "m a1", "s"),
            node("Mul", "s half", "sc"),
            node("Add", "sc one", "k"),
            node("Pow", "k half", "r2"),
            node("Div", "c r2", "z"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NORMS)
def test_norms_between_convolution_and_activation(case: str) -> None:
    name, nodes = NORMS[case]
    pads = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0])
    found = bank(*nodes, RELU, pads=pads, opset=18)
    assert (found.norm, found.activation, found.post_tensor) == (name, "relu", "y")
    assert (found.pre_tensor, found.bias, found.batchnorm) == ("c", None, None)
    gated = [node("Sigmoid", "z", "g"), node("Mul", "z g", "y")]
    assert bank(*nodes, *gated, pads=pads, opset=18).activation == "silu"


def test_statistics_of_all_pictures_are_no_norm_of_one() -> None:
    _, nodes = NORMS["instance_norm by parts, a23"]
    found = bank(*nodes, RELU, a23=np.array([0, 2, 3]))
    assert (found.norm, found.activation) == (None, None)


def response(
    *pooled: onnx.NodeProto, square: str = "c c", scale: str = "half", root: str = "half"
) -> list[onnx.NodeProto]:
    """Local response normalization with some nodes between the square and its mean ``m``."""
    return [
        node("Mul", square, "q"),
        *pooled,
        node("Mul", f"m {scale}", "sc"),
        node("Add", "sc one", "k"),
        node("Pow", f"k {root}", "r2"),
        node("Div", "c r2", "z"),
    ]


SPACE_WINDOW = node("AveragePool", "q", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
CHANNEL_WINDOW = [
    node("Unsqueeze", "q a1", "u"),
    node("Pad", "u pads", "p"),
    node("AveragePool", "p", "v", kernel_shape=[3, 1, 1]),
    node("Squeeze", "v a1", "m"),
]


@pytest.mark.parametrize(
    ("nodes", "norm"),
    [
        (response(*CHANNEL_WINDOW), "lrn"),
        (response(SPACE_WINDOW), None),
        (
            response(
                node("Unsqueeze", "q a1", "u"),
                node("AveragePool", "u", "v", kernel_shape=[1, 3, 3], pads=[0, 1, 1, 0, 1, 1]),
                node("Squeeze", "v a1", "m"),
            ),
            None,
        ),
        (
            response(
                node("Unsqueeze", "q a2", "u"),
                node("AveragePool", "u", "v", kernel_shape=[1, 3, 1], pads=[0, 1, 0, 0, 1, 0]),
                node("Squeeze", "v a2", "m"),
            ),
            None,
        ),
        (response(*CHANNEL_WINDOW, scale="r"), None),
        (response(*CHANNEL_WINDOW, scale="m"), None),
        (response(*CHANNEL_WINDOW, root="r"), None),
        (response(*CHANNEL_WINDOW, square="c r"), None),
        ([node("Pow", "c two", "q"), *response(*CHANNEL_WINDOW)[1:]], "lrn"),
        ([node("Pow", "c six", "q"), *response(*CHANNEL_WINDOW)[1:]], None),
    ],
    ids=[
        "channels", "space", "space of one axis more", "rows", "scaled by an input", "squared again",
        "power by an input", "product with an input", "Pow", "sixth power",
    ],
)  # fmt: skip
def test_local_response_norm_is_over_channels(nodes: list[onnx.NodeProto], norm: str | None) -> None:
    found = bank(*nodes, RELU, pads=np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0]))
    activation = "relu" if norm else None
    assert (found.norm, found.activation, found.post_tensor) == (norm, activation, "y" if norm else "c")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Abs", "c", "q"), node("ReduceMean", "q a1", "r2"), node("Div", "c r2", "z")],
        [node("Mul", "c c", "q"), node("ReduceMean", "q a1", "r2"), node("Div", "c r2", "z")],
        [node("ReduceSumSquare", "c a1", "q"), node("Sqrt", "q", "r2"), node("Div", "c r2", "z")],
    ],
    ids=["mean of sizes", "mean square without a root", "L2 norm"],
)
def test_what_looks_like_an_rms_norm(nodes: list[onnx.NodeProto]) -> None:
    found = bank(*nodes, RELU)
    assert (found.norm, found.activation, found.post_tensor) == (None, None, "c")


def test_a_batch_norm_in_training_mode_has_no_name() -> None:
    normed = node("BatchNormalization", "c ones zeros zeros ones", "z", training_mode=1)
    found = bank(normed, RELU)
    assert (found.norm, found.batchnorm, found.activation) == (None, None, "relu")


def test_a_gate_that_differs_by_channel_is_a_swish() -> None:
    nodes = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "c g", "y")]
    assert bank(*nodes, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1)).activation == "swish"
    assert bank(*nodes, factors=np.ones((4, 1, 1), np.float32)).activation == "silu"
    gate = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "m g", "y")]
    found = bank(*gate, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1))
    assert found.activation == "silu", "a scale first, and SiLU of what it makes"


def test_readers_of_the_shape_do_not_count() -> None:
    nodes = [
        node("Shape", "c", "shape"),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Size", "t", "size"),
        node("Relu", "c", "y"),
    ]
    model = build(
        [node("Conv", "x w", "c"), *nodes],
        {"x": PICTURE},
        {"w": CONSTANTS["w"]},
        outputs=["y", "shape", "size"],
    )
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor) == ("relu", "y")


def test_what_is_also_given_out_is_followed() -> None:
    nodes = [node("Add", "c column", "a"), node("Sigmoid", "a", "g"), node("Mul", "a g", "y")]
    constants = {"w": CONSTANTS["w"], "column": CONSTANTS["column"]}
    model = build([node("Conv", "x w", "c"), *nodes], {"x": PICTURE}, constants, outputs=["c", "a", "g", "y"])
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("silu", "y", "a")


def test_zeros_of_the_layers_shape_are_zero() -> None:
    nodes = [node("Shape", "c", "shape"), node("ConstantOfShape", "shape", "o"), node("Max", "c o", "y")]
    assert bank(*nodes).activation == "relu"
    nodes = [
        node("Shape", "c", "shape"),
        node("Expand", "six shape", "o"),
        node("Relu", "c", "p"),
        node("Min", "p o", "y"),
    ]
    assert bank(*nodes).activation == "relu6"


def test_folded_zeros_of_the_layers_shape_are_zero() -> None:
    found = bank(node("Max", "c map", "y"), map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation == "relu"
    found = bank(node("Max", "c map", "y"), shape=[1, 3, 3, 3], map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation is None, "it makes a picture of one pixel larger"


def test_one_activation_repeated_for_each_reader() -> None:
    nodes = [node("Relu", "c", "y"), node("Relu", "c", "q"), node("Add", "y q", "z")]
    found = bank(*nodes)
    assert (found.activation, found.post_tensor) == ("relu", "y")


CRELU = {
    "relu of both": [node("Neg", "c", "n"), node("Concat", "c n", "k", axis=1), node("Relu", "k", "y")],
    "both of relu": [
        node("Neg", "c", "n"),
        node("Relu", "n", "m"),
        node("Relu", "c", "p"),
        node("Concat", "p m", "y", axis=-3),
    ],
    "scaled": [
        node("Mul", "c minus", "n"),
        node("Concat", "c n", "k", axis=1),
        node("Mul", "k wide", "s"),
        node("Add", "s wide", "t"),
        node("Max", "t zero", "y"),
    ],
}


@pytest.mark.parametrize("case", CRELU)
def test_crelu(case: str) -> None:
    found = bank(*CRELU[case], minus=np.float32(-1), wide=random(8, 1, 1))
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("crelu", "c", "y")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Neg", "c", "n"), node("Concat", "n c", "k", axis=1), node("Relu", "k", "y")],
        [
            node("Neg", "c", "n"),
            node("Relu", "n", "m"),
            node("Relu", "c", "p"),
            node("Concat", "m p", "y", axis=1),
        ],
    ],
    ids=["relu of both", "both of relu"],
)
def test_the_negative_first_is_no_crelu(nodes: list[onnx.NodeProto]) -> None:
    found = bank(*nodes)
    assert (found.activation, found.post_tensor) == (None, "c")


def test_concatenation_with_something_else_is_no_crelu() -> None:
    found = bank(node("Concat", "c r", "k", axis=1), node("Relu", "k", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")
    found = bank(node("Neg", "c", "n"), node("Concat", "c n", "k", axis=2), node("Relu", "k", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")


MAXOUT = {
    "split": [node("Split", "c", "p q", axis=1, num_outputs=2), node("Max", "p q", "y")],
    "slices": [
        node("Slice", "c i0 i2 a1", "p"),
        node("Slice", "c i2 i4 a1", "q"),
        node("Max", "q p", "y"),
    ],
    "by comparison": [
        node("Split", "c", "p q", axis=1, num_outputs=2),
        node("Greater", "p q", "g"),
        node("Where", "g p q", "y"),
    ],
    "reduced": [node("Reshape", "c to_five", "k"), node("ReduceMax", "k a2", "y", keepdims=0)],
    "reduced first": [node("Reshape", "c to_five", "k"), node("ReduceMax", "k a1", "y", keepdims=0)],
}


@pytest.mark.parametrize("case", MAXOUT)
def test_maxout(case: str) -> None:
    found = bank(*MAXOUT[case])
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("maxout", "c", "y")


def test_glu() -> None:
    nodes = [
        node("Split", "c", "p q", axis=1, num_outputs=2),
        node("Sigmoid", "q", "g"),
        node("Mul", "p g", "y"),
    ]
    assert bank(*nodes).activation == "glu"
    assert bank(nodes[0], node("Add", "p q", "y")).activation is None
    assert bank(node("Slice", "c i0 i2 a1", "y")).activation is None


def test_a_slope_for_every_position() -> None:
    """Keras's PReLU, unless axes are shared."""
    nodes = [
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Relu", "t", "p"),
        node("Neg", "t", "q"),
        node("Relu", "q", "n"),
        node("Mul", "n slopes", "m"),
        node("Add", "p m", "y"),
    ]
    found = bank(*nodes, slopes=-np.abs(random(6, 6, 4)))
    assert (found.activation, found.post_tensor, found.post_layout) == ("prelu", "y", "NHWC")
    found = bank(*nodes, slopes=-np.abs(random(5, 6, 6, 4)))
    assert found.activation is None, "it makes five pictures of one"


@pytest.mark.parametrize("constant", [3.0, [[[3.0]]] * 4])
def test_numbers_of_a_formula_are_no_bias(constant: Any) -> None:
    nodes = [node("Add", "c k", "a"), node("Clip", "a zero six", "d"), node("Div", "d six", "y")]
    found = bank(*nodes, k=np.array(constant, np.float32))
    assert (found.activation, found.bias, found.pre_tensor) == ("hard_sigmoid", None, "c")
    found = bank(*nodes[:2], k=np.array(constant, np.float32))
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("relu6", "a", "d")
    np.testing.assert_array_equal(found.bias, np.full(4, 3, np.float32))


def test_zeros_are_a_bias() -> None:
    """One that was never trained."""
    nodes = [node("Add", "c k", "a"), node("HardSigmoid", "a", "g"), node("Mul", "a g", "y")]
    found = bank(*nodes, k=np.zeros((4, 1, 1), np.float32))
    assert (found.activation, found.pre_tensor) == ("hard_swish", "a") and found.bias is not None


def test_the_only_channel_may_have_a_bias_of_zero() -> None:
    nodes = [node("Conv", "x w", "c"), node("Add", "c k", "a"), node("Relu", "a", "y")]
    for value in (0, 0.3):
        constants = {"w": random(1, 3, 3, 3), "k": np.full(1, value, np.float32)}
        found = banks(opened(build(nodes, {"x": PICTURE}, constants)))[0]
        assert (found.pre_tensor, found.activation) == ("a", "relu")
        np.testing.assert_array_equal(found.bias, constants["k"])


@pytest.mark.parametrize(("count", "activation"), [(MOST_STEPS - 1, "relu"), (MOST_STEPS, None)])
def test_how_far_a_layer_is_followed(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    assert bank(*steps, node("Relu", names[-1], "y")).activation == activation


@pytest.mark.parametrize(("count", "activation"), [(MOST_NODES - 2, "silu"), (MOST_NODES - 1, None)])
def test_how_many_nodes_an_activation_may_have(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    gate = [node("Sigmoid", names[-1], "g"), node("Mul", "c g", "y")]
    assert bank(*steps, *gate).activation == activation


@pytest.mark.parametrize("count", [MOST_TRIES - 1, MOST_TRIES, MOST_TRIES + 1, 40])
def test_scales_do_not_hide_what_follows(count: int) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Mul", f"{one} three", other) for one, other in pairwise(names)]
    gate = [node("Sigmoid", names[-1], "g"), node("Mul", f"{names[-1]} g", "y")]
    assert bank(*steps, *gate, three=np.float32(3)).activation == "silu"
    leaky = [node("Mul", f"{names[-1]} half", "g"), node("Max", f"{names[-1]} g", "y")]
    assert bank(*steps, *leaky, three=np.float32(3)).activation == "leaky_relu"
    hard = [
        node("Add", f"{names[-1]} three", "s"),
        node("Clip", "s zero six", "d"),
        node("Div", "d six", "y"),
    ]
    found = bank(*steps, *hard, three=np.float32(3))
    assert (found.activation, found.post_tensor, found.bias) == ("hard_sigmoid", "y", None)


@pytest.mark.parametrize(("count", "activation"), [(MOST_NODES, "relu"), (MOST_NODES + 1, None)])
def test_how_many_readers_are_looked_at(count: int, activation: str | None) -> None:
    nodes = [node("Relu", "c", f"y{number}") for number in range(count)]
    assert bank(*nodes).activation == activation


def test_a_long_chain_of_scales_takes_few_steps() -> None:
    """Nodes are evaluated behind the first few only."""
    names = ["c", *(f"v{number}" for number in range(20_000))]
    factors = cycle(["three"] * MOST_TRIES + ["scale"])
    steps = [
        node("Mul", f"{one} {factor}", other)
        for (one, other), factor in zip(pairwise(names), factors, strict=False)
    ]
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, value: object) -> None:
        if event == "call":
            calls[frame.f_code.co_name] += 1

    constants = {"w": CONSTANTS["w"], "scale": CONSTANTS["scale"], "three": np.float32(3)}
    model = build([node("Conv", "x w", "c"), *steps], {"x": PICTURE}, constants)
    graph = opened(model)
    sys.setprofile(count)
    try:
        [found] = banks(graph)
    finally:
        sys.setprofile(None)
    assert found.activation is None
    assert calls["regions"] > 0 and calls["apply"] <= MOST_TRIES * MOST_NODES
    assert calls["readers_of"] <= MOST_STEPS * (1 + MOST_TRIES) + MOST_TRIES * 4 * MOST_NODES
