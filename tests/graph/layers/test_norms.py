"""Norms between a convolution and its activation, as operators and decomposed."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_graphs import node, random
from tails import RELU, bank

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


def test_statistics_over_the_batch_are_not_an_instance_norm() -> None:
    _, nodes = NORMS["instance_norm by parts, a23"]
    found = bank(*nodes, RELU, a23=np.array([0, 2, 3]))
    assert (found.norm, found.activation) == (None, None)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Abs", "c", "q"), node("ReduceMean", "q a1", "r2"), node("Div", "c r2", "z")],
        [node("Mul", "c c", "q"), node("ReduceMean", "q a1", "r2"), node("Div", "c r2", "z")],
        [node("ReduceSumSquare", "c a1", "q"), node("Sqrt", "q", "r2"), node("Div", "c r2", "z")],
    ],
    ids=["mean of sizes", "mean square without a root", "L2 norm"],
)
def test_not_an_rms_norm(nodes: list[onnx.NodeProto]) -> None:
    found = bank(*nodes, RELU)
    assert (found.norm, found.activation, found.post_tensor) == (None, None, "c")


def test_batch_norm_in_training_mode_has_no_name() -> None:
    normed = node("BatchNormalization", "c ones zeros zeros ones", "z", training_mode=1)
    found = bank(normed, RELU)
    assert (found.norm, found.batchnorm, found.activation) == (None, None, "relu")


SQUARED = node("Mul", "d d", "q")
MEANS = {
    "sum over a number": [SQUARED, node("ReduceSum", "q a1", "t"), node("Div", "t four", "v")],
    "sum times a number": [SQUARED, node("ReduceSum", "q a1", "t"), node("Mul", "t quarter", "v")],
    "sum of squares": [node("ReduceSumSquare", "d a1", "t"), node("Div", "t four", "v")],
    "L2 norm squared": [node("ReduceL2", "d a1", "l"), node("Mul", "l l", "t"), node("Div", "t four", "v")],
    "counted by Shape": [
        node("ReduceSumSquare", "d a1", "t"),
        node("Shape", "c", "shape"),
        node("Gather", "shape a1", "length"),
        node("Cast", "length", "m", to=1),
        node("Div", "t m", "v"),
    ],
}  # fmt: skip
ROOT = [
    node("Add", "v eps", "e"),
    node("Sqrt", "e", "r2"),
    node("Div", "d r2", "n"),
    node("Mul", "n scale", "z"),
]


@pytest.mark.parametrize("case", MEANS)
@pytest.mark.parametrize("is_centred", [False, True])
@pytest.mark.parametrize("size", [8, "open"])
def test_means_computed_as_sums(case: str, is_centred: bool, size: int | str) -> None:
    centred = [node("ReduceMean", "c a1", "mean"), node("Sub", "c mean", "d")]
    nodes = [*(centred if is_centred else [node("Identity", "c", "d")]), *MEANS[case], *ROOT]
    found = bank(*nodes, RELU, shape=[1, 3, size, size], quarter=np.float32(0.25))
    assert (found.norm, found.activation, found.post_tensor) == ("layer_norm", "relu", "y")


@pytest.mark.parametrize(("factor", "norm"), [(2.0, "layer_norm"), (3.0, None)])
def test_l2_norm_times_root_of_the_count_is_an_rms_norm(factor: float, norm: str | None) -> None:
    nodes = [
        node("ReduceL2", "c a1", "l"),
        node("Shape", "c", "shape"),
        node("Expand", "l shape", "r2"),
        node("Div", "c r2", "n"),
        node("Mul", "n scale", "m"),
        node("Mul", "m factor", "z"),
    ]
    found = bank(*nodes, RELU, factor=np.float32(factor))
    assert (found.norm, found.activation) == (norm, "relu" if norm else None)


def test_layer_norm_with_a_scale_per_position() -> None:
    _, nodes = NORMS["layer_norm by parts, a123"]
    found = bank(*nodes, RELU, scale=random(4, 6, 6), column=random(4, 6, 6, seed=1))
    assert (found.norm, found.activation, found.bias) == ("layer_norm", "relu", None)


def test_group_norm_of_single_channels_is_an_instance_norm() -> None:
    nodes = [
        node("Reshape", "c to_space", "q"),
        node("InstanceNormalization", "q ones zeros", "n"),
        node("Shape", "c", "shape"),
        node("Reshape", "n shape", "z"),
    ]
    for size in (8, "open"):
        found = bank(*nodes, RELU, shape=[1, 3, size, size])
        assert (found.norm, found.activation, found.post_layout) == ("instance_norm", "relu", "NCHW")
