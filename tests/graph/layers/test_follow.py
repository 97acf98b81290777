"""Follow a layer's output to bias and activation: through moved axes, and with limits on the effort."""

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
from tails import CONSTANTS, LINE, PICTURE, RELU, bank

from filterkit.graph.layers.activations import MOST_STEPS, MOST_TRIES
from filterkit.graph.layers.elementwise_regions import MOST_NODES

MOVED: dict[str, tuple[list[onnx.NodeProto], list[Any], str | None]] = {
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
def test_bias_and_activation_after_moved_axes(case: str) -> None:
    nodes, shape, layout = MOVED[case]
    found = bank(*nodes, shape=shape)
    if layout is None:  # it is unknown which axes are removed
        assert (found.activation, found.bias, found.post_tensor) == (None, None, "c")
        return
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("relu", "y", "z")
    assert found.pre_layout == layout
    expected = CONSTANTS["b"] if case == "tokens" else CONSTANTS["line"].ravel()
    np.testing.assert_array_equal(found.bias, expected)


def test_flatten_of_one_position_keeps_the_channels() -> None:
    nodes = [node("Flatten", "c", "f"), node("Add", "f b", "z"), RELU]
    found = bank(*nodes, shape=[1, 3, 3, 3])
    assert (found.activation, found.pre_layout) == ("relu", "NC") and found.bias is not None
    found = bank(node("Flatten", "c", "f"), node("Relu", "f", "y"))
    assert (found.activation, found.post_tensor) == (None, "c")


def test_batch_norm_after_a_squeeze() -> None:
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
def test_not_an_activation_of_the_layer(nodes: list[onnx.NodeProto]) -> None:
    outputs = [each.output[0] for each in nodes if each.output[0] in ("y", "z")]
    used = {name for one in nodes for name in one.input} | {"w"}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    inputs: dict[str, Any] = {"x": PICTURE} | ({"r": [1, 4, 6, 6]} if "r" in used else {})
    found = banks(
        opened(build([node("Conv", "x w", "c"), *nodes], inputs, constants, outputs=outputs, opset=18))
    )[0]
    assert (found.activation, found.post_tensor, found.bias) == (None, "c", None)


def test_gate_that_differs_by_channel_is_a_swish() -> None:
    nodes = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "c g", "y")]
    assert bank(*nodes, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1)).activation == "swish"
    assert bank(*nodes, factors=np.ones((4, 1, 1), np.float32)).activation == "silu"
    gate = [node("Mul", "c factors", "m"), node("Sigmoid", "m", "g"), node("Mul", "m g", "y")]
    found = bank(*gate, factors=np.array([0.3, 1, 1.5, 2], np.float32).reshape(4, 1, 1))
    assert found.activation == "silu", "a scale first, and SiLU of what it makes"


def test_readers_of_the_shape_are_ignored() -> None:
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


def test_graph_outputs_are_followed() -> None:
    nodes = [node("Add", "c column", "a"), node("Sigmoid", "a", "g"), node("Mul", "a g", "y")]
    constants = {"w": CONSTANTS["w"], "column": CONSTANTS["column"]}
    model = build([node("Conv", "x w", "c"), *nodes], {"x": PICTURE}, constants, outputs=["c", "a", "g", "y"])
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor, found.pre_tensor) == ("silu", "y", "a")


def test_zeros_like_the_layer() -> None:
    nodes = [node("Shape", "c", "shape"), node("ConstantOfShape", "shape", "o"), node("Max", "c o", "y")]
    assert bank(*nodes).activation == "relu"
    nodes = [
        node("Shape", "c", "shape"),
        node("Expand", "six shape", "o"),
        node("Relu", "c", "p"),
        node("Min", "p o", "y"),
    ]
    assert bank(*nodes).activation == "relu6"


def test_folded_zeros_like_the_layer() -> None:
    found = bank(node("Max", "c map", "y"), map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation == "relu"
    found = bank(node("Max", "c map", "y"), shape=[1, 3, 3, 3], map=np.zeros((1, 4, 6, 6), np.float32))
    assert found.activation is None, "it makes a picture of one pixel larger"


def test_activation_repeated_for_each_reader() -> None:
    nodes = [node("Relu", "c", "y"), node("Relu", "c", "q"), node("Add", "y q", "z")]
    found = bank(*nodes)
    assert (found.activation, found.post_tensor) == ("relu", "y")


def test_prelu_slope_for_every_position() -> None:
    """The PReLU of Keras, unless axes are shared."""
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
def test_constants_of_a_formula_are_not_a_bias(constant: Any) -> None:
    nodes = [node("Add", "c k", "a"), node("Clip", "a zero six", "d"), node("Div", "d six", "y")]
    found = bank(*nodes, k=np.array(constant, np.float32))
    assert (found.activation, found.bias, found.pre_tensor) == ("hard_sigmoid", None, "c")
    found = bank(*nodes[:2], k=np.array(constant, np.float32))
    assert (found.activation, found.pre_tensor, found.post_tensor) == ("relu6", "a", "d")
    np.testing.assert_array_equal(found.bias, np.full(4, 3, np.float32))


def test_zeros_are_a_bias() -> None:
    """A bias that was never trained."""
    nodes = [node("Add", "c k", "a"), node("HardSigmoid", "a", "g"), node("Mul", "a g", "y")]
    found = bank(*nodes, k=np.zeros((4, 1, 1), np.float32))
    assert (found.activation, found.pre_tensor) == ("hard_swish", "a") and found.bias is not None


def test_single_channel_may_have_a_bias_of_zero() -> None:
    nodes = [node("Conv", "x w", "c"), node("Add", "c k", "a"), node("Relu", "a", "y")]
    for value in (0, 0.3):
        constants = {"w": random(1, 3, 3, 3), "k": np.full(1, value, np.float32)}
        found = banks(opened(build(nodes, {"x": PICTURE}, constants)))[0]
        assert (found.pre_tensor, found.activation) == ("a", "relu")
        np.testing.assert_array_equal(found.bias, constants["k"])


@pytest.mark.parametrize(("count", "activation"), [(MOST_STEPS - 1, "relu"), (MOST_STEPS, None)])
def test_limit_on_the_nodes_that_are_followed(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    assert bank(*steps, node("Relu", names[-1], "y")).activation == activation


@pytest.mark.parametrize(("count", "activation"), [(MOST_NODES - 2, "silu"), (MOST_NODES - 1, None)])
def test_limit_on_the_nodes_of_an_activation(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    gate = [node("Sigmoid", names[-1], "g"), node("Mul", "c g", "y")]
    assert bank(*steps, *gate).activation == activation


@pytest.mark.parametrize("count", [MOST_TRIES - 1, MOST_TRIES, MOST_TRIES + 1, 40])
def test_activation_after_scales(count: int) -> None:
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
def test_limit_on_the_readers_of_a_tensor(count: int, activation: str | None) -> None:
    nodes = [node("Relu", "c", f"y{number}") for number in range(count)]
    assert bank(*nodes).activation == activation


def test_long_chain_of_scales_takes_few_steps() -> None:
    """Nodes are evaluated only after the first few."""
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
    assert calls["apply"] <= MOST_TRIES * MOST_NODES
    assert 0 < calls["readers_of"] <= MOST_STEPS * (1 + MOST_TRIES**2) + MOST_TRIES * 4 * MOST_NODES


def test_sum_of_several_constants_is_the_bias() -> None:
    found = bank(node("Sum", "column c half", "a"), node("Relu", "a", "y"))
    assert found.bias is not None
    np.testing.assert_allclose(found.bias, CONSTANTS["column"].ravel() + 0.5, rtol=1e-6)
    assert (found.activation, found.pre_tensor) == ("relu", "a")
    assert bank(node("Sum", "column c r", "a"), node("Relu", "a", "y")).bias is None


@pytest.mark.parametrize("count", range(1, 12))
def test_alternating_scales_and_shifts(count: int) -> None:
    """Alternately by a single number and by channel, before a formula that begins with a shift."""
    kinds = cycle([("Mul", "half"), ("Add", "column"), ("Mul", "scale"), ("Add", "two")])
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [
        node(op, f"{one} {constant}", other)
        for (one, other), (op, constant) in zip(pairwise(names), kinds, strict=False)
    ]
    hard = [
        node("Add", f"{names[-1]} three", "s"),
        node("Clip", "s zero six", "d"),
        node("Div", "d six", "y"),
    ]
    found = bank(*steps, *hard, three=np.float32(3))
    assert (found.activation, found.post_tensor) == ("hard_sigmoid", "y")


@pytest.mark.parametrize(
    ("alpha", "name"), [(0, "relu"), (-1, "abs"), (-0.5, "leaky_relu"), (1, "leaky_relu")]
)
def test_slopes_that_make_another_activation(alpha: float, name: str) -> None:
    assert bank(node("LeakyRelu", "c", "y", alpha=float(alpha))).activation == name
    slopes = np.full((4, 1, 1), alpha, np.float32)
    assert bank(node("PRelu", "c slopes", "y"), slopes=slopes).activation == name.replace("leaky_", "p")


def test_clip_without_bounds_is_not_an_activation() -> None:
    assert bank(node("Clip", "c", "z"), RELU).activation == "relu"
    lowest, highest = np.float32(-3.4e38), np.float32(3.4e38)
    assert bank(node("Clip", "c low high", "y"), low=lowest, high=highest).activation is None
    assert bank(node("Clip", "c low six", "y"), low=lowest).activation == "clip"


def test_conditions_cast_to_booleans() -> None:
    """The hard shrinkage of PyTorch."""
    nodes = [
        node("Greater", "c half", "g"),
        node("Less", "c minus", "l"),
        node("Cast", "g", "gb", to=TensorProto.BOOL),
        node("Cast", "l", "lb", to=TensorProto.BOOL),
        node("Or", "gb lb", "o"),
        node("Where", "o c zero", "y"),
    ]
    assert bank(*nodes, minus=np.float32(-0.5)).activation == "hard_shrink"


@pytest.mark.parametrize("last", ["Relu", "Identity"])
def test_subtracted_constant_is_a_bias(last: str) -> None:
    found = bank(node("Sub", "c shift", "d"), node(last, "d", "y"), shift=random(4, 1, 1))
    assert found.bias is not None
    np.testing.assert_array_equal(found.bias, -random(4, 1, 1).ravel())
    assert found.pre_tensor == "d"
    assert found.activation == ("relu" if last == "Relu" else None)


@pytest.mark.parametrize("pooled", ["GlobalAveragePool", "ReduceMean"])
def test_statistic_concatenated_with_its_own_input(pooled: str) -> None:
    """Image-level pooling, as in ASPP."""
    axes = {"axes": [2, 3]} if pooled == "ReduceMean" else {}
    nodes = [
        node(pooled, "c", "g", **axes),
        node("Expand", "g size", "wide"),
        node("Concat", "c wide", "y", axis=1),
    ]
    found = bank(*nodes, size=np.int64([1, 4, 6, 6]))
    assert (found.activation, found.norm, found.post_tensor) == (None, None, "c")
