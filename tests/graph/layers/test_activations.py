"""Bias, batch norm and activation after a convolution, with limits on the effort; batch norms are folded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import cycle, pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_graphs import banks, build, node, opened, random
from tails import CONSTANTS, PICTURE, bank

import filterkit
from filterkit.errors import UsageError
from filterkit.graph.layers.activations import MOST_STEPS, MOST_TRIES, fold_batchnorm
from filterkit.graph.layers.elementwise_regions import MOST_NODES
from filterkit.graph.loading.load import open_graph

WEIGHTS: dict[str, Any] = {
    "w": random(4, 3, 3, 3),
    "b": random(4, seed=1),
    "column": random(1, 4, 1, 1, seed=2),
    "s": np.float32(0.5), "zero": np.float32(0), "six": np.float32(6), "slope": random(4, 1, 1),
    "map": random(1, 4, 6, 6),
}  # fmt: skip
followed = partial(bank, opset=17, **WEIGHTS)


@pytest.mark.parametrize(
    ("nodes", "activation"),
    [
        ([node("Relu", "c", "y")], "relu"),
        ([node("LeakyRelu", "c", "y")], "leaky_relu"),
        ([node("PRelu", "c slope", "y")], "prelu"),
        ([node("Elu", "c", "y")], "elu"),
        ([node("Selu", "c", "y")], "selu"),
        ([node("Sigmoid", "c", "y")], "sigmoid"),
        ([node("HardSigmoid", "c", "y")], "hard_sigmoid"),
        ([node("HardSwish", "c", "y")], "hard_swish"),
        ([node("Tanh", "c", "y")], "tanh"),
        ([node("Softplus", "c", "y")], "softplus"),
        ([node("Softmax", "c", "y")], "softmax"),
        ([node("Clip", "c zero six", "y")], "relu6"),
        ([node("Clip", "c zero", "y")], "relu"),
        ([node("Clip", "c zero s", "y")], "clip"),
        ([node("Sigmoid", "c", "g"), node("Mul", "c g", "y")], "silu"),
        ([node("HardSigmoid", "c", "g"), node("Mul", "g c", "y")], "hard_swish"),
        ([node("Softplus", "c", "p"), node("Tanh", "p", "g"), node("Mul", "c g", "y")], "mish"),
    ],
)
def test_activations(nodes: list[onnx.NodeProto], activation: str) -> None:
    found = followed(*nodes)
    assert (found.activation, found.pre_tensor, found.post_tensor) == (activation, "c", "y")


def test_clip_bounds_as_attributes() -> None:
    assert followed(node("Clip", "c", "y", min=0.0, max=6.0), opset=9).activation == "relu6"


@pytest.mark.parametrize(
    ("opset", "op", "activation"), [(20, "Gelu", "gelu"), (18, "Mish", "mish"), (24, "Swish", "silu")]
)
def test_newer_operators(opset: int, op: str, activation: str) -> None:
    assert followed(node(op, "c", "y"), opset=opset).activation == activation


def test_post_is_pre_without_an_activation() -> None:
    found = followed(node("MaxPool", "c", "y", kernel_shape=[2, 2]))
    assert (found.activation, found.pre_tensor, found.post_tensor) == (None, "c", "c")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Add", "c x2", "a"), node("Relu", "a", "y")],
        [node("Relu", "c", "r"), node("Add", "c r", "y")],
        [node("Sigmoid", "c", "g"), node("Mul", "g x2", "m"), node("Add", "m c", "y")],
        [node("Sub", "s c", "n"), node("Relu", "n", "y")],
        [node("Add", "c map", "n"), node("Relu", "n", "y")],
        [node("Sum", "c x2", "a"), node("Relu", "a", "y")],
        [node("Sum", "c c", "a"), node("Relu", "a", "y")],
        [node("Sum", "c s x2", "a"), node("Relu", "a", "y")],
    ],
    ids=[
        "residual", "two readers", "other gate", "one minus", "a map, no bias", "residual sum", "doubled",
        "sum of three",
    ],
)  # fmt: skip
def test_activation_of_another_tensor_is_not_the_layers(nodes: list[onnx.NodeProto]) -> None:
    constants = {name: WEIGHTS[name] for name in ("w", "s", "map")}
    model = build([node("Conv", "x w", "c"), *nodes], {"x": [1, 3, 8, 8], "x2": [1, 4, 6, 6]}, constants)
    found = banks(opened(model))[0]
    assert (found.activation, found.post_tensor, found.bias) == (None, "c", None)


@pytest.mark.parametrize("op", ["Add", "Sum"])
def test_bias_in_a_separate_node(op: str) -> None:
    found = followed(node(op, "column c", "a"), node("Relu", "a", "y"))
    assert (found.pre_tensor, found.post_tensor) == ("a", "y")
    np.testing.assert_array_equal(found.bias, WEIGHTS["column"].ravel())


def test_keras_bias_and_activation_after_a_transpose() -> None:
    """Conv → Transpose → Add → Relu → Transpose, the bias shared through an Identity."""
    found = followed(
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("Identity", "b", "shared"),
        node("Add", "t shared", "a"),
        node("Relu", "a", "n"),
        node("Transpose", "n", "y", perm=[0, 3, 1, 2]),
    )
    np.testing.assert_array_equal(found.bias, WEIGHTS["b"])
    assert (found.pre_tensor, found.pre_layout) == ("a", "NHWC")
    assert (found.post_tensor, found.post_layout) == ("n", "NHWC")


def test_keras_crops_transposed_convolutions_before_the_bias() -> None:
    ends = {
        "zeros": np.array([0, 0]),
        "ends": np.array([5, 5]),
        "space": np.array([2, 3]),
        "all": np.array([0, 1]),
    }
    found = followed(
        node("Slice", "c zeros ends space", "cut"),
        node("Add", "cut column", "a"),
        node("Relu", "a", "y"),
        **ends,
    )
    assert (found.pre_tensor, found.activation) == ("a", "relu")
    assert found.bias is not None
    found = followed(node("Slice", "c zeros ends all", "cut"), node("Relu", "cut", "y"), **ends)
    assert (found.pre_tensor, found.activation) == ("c", None)


@pytest.mark.parametrize(
    ("starts", "ends", "steps", "activation"),
    [
        ([0, 0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], "relu"),
        ([0, -9, 1, 0], [2**63 - 1, 2**31 - 1, 3, 1], [1, 1, 1, 1], "relu"),
        ([0, 0, 0, 0], [2**31 - 1, 3, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 1, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 2, 1, 1], None),
        ([0, 0, 0, 0], [1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
        ([0, 0, 0], [2**31 - 1, 4, 2**31 - 1, 1], [1, 1, 1, 1], None),
    ],
)
def test_slice_that_states_all_axes(
    starts: list[int], ends: list[int], steps: list[int], activation: str | None
) -> None:
    lists = {"starts": np.array(starts), "ends": np.array(ends), "steps": np.array(steps)}
    axes = {"axes": np.arange(4)}
    found = followed(
        node("Slice", "c starts ends axes steps", "cut"), node("Relu", "cut", "y"), **lists, **axes
    )
    assert found.activation == activation


def test_casts_do_not_hide_a_gate() -> None:
    gate = [node("Cast", "c", "f", to=1), node("Sigmoid", "f", "g"), node("Cast", "g", "h", to=1)]
    assert followed(*gate, node("Mul", "f h", "y")).activation == "silu"


def test_no_bias_is_recognized_after_a_batch_norm() -> None:
    statistics = {name: np.ones(4, np.float32) for name in ("m", "v", "g", "h")}
    found = followed(
        node("BatchNormalization", "c g h m v", "n"),
        node("Add", "n column", "a"),
        node("Relu", "a", "y"),
        **statistics,
    )
    assert (found.bias, found.activation, found.pre_tensor, found.post_tensor) == (None, "relu", "c", "y")


def test_one_value_for_all_channels_is_a_bias() -> None:
    found = followed(node("Add", "c s", "y"))
    np.testing.assert_array_equal(found.bias, np.full(4, 0.5, np.float32))


def test_first_of_two_additions_is_the_bias() -> None:
    found = followed(node("Add", "c column", "a"), node("Add", "a s", "d"), node("Relu", "d", "y"))
    np.testing.assert_array_equal(found.bias, WEIGHTS["column"].ravel())
    assert (found.pre_tensor, found.post_tensor) == ("a", "y")


NORM = {"g": random(4, seed=1), "s": random(4, seed=2), "m": random(4, seed=3), "v": random(4, seed=4) ** 2}


def chain(op: str, bias: str) -> onnx.ModelProto:
    """A convolution with its bias inside, in an Add, or without one, then a batch norm and a ReLU."""
    inputs = "x w b" if bias == "own" else "x w"
    shape = (4, 3, 3, 3) if op == "Conv" else (3, 4, 3, 3)
    nodes = [node(op, inputs, "c0")]
    nodes.append(node("Add", "c0 badd", "c") if bias == "add" else node("Identity", "c0", "c"))
    nodes += [node("BatchNormalization", "c g s m v", "n", epsilon=1e-3), node("Relu", "n", "y")]
    constants = {"w": random(*shape), "b": random(4), "badd": random(4, 1, 1), **NORM}
    return build(nodes, {"x": [1, 3, 8, 8]}, constants)


@pytest.mark.parametrize("bias", ["own", "add", "none"])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_effective_filters_compute_convolution_and_batch_norm(op: str, bias: str) -> None:
    model = chain(op, bias)
    (bank,) = banks(opened(model))
    assert bank.batchnorm is not None and not bank.batchnorm.folded
    assert (bank.post_tensor, bank.activation, bank.batchnorm.tensor) == ("y", "relu", "n")
    folded = fold_batchnorm(bank)
    assert folded.batchnorm is not None and folded.batchnorm.folded
    assert (folded.pre_tensor, folded.post_tensor) == ("n", "y")
    assert fold_batchnorm(folded) is folded
    weights = folded.weights.swapaxes(0, 1) if op == "ConvTranspose" else folded.weights
    alone = build([node(op, "x w b", "y")], {"x": [1, 3, 8, 8]}, {"w": weights, "b": folded.bias})
    values = random(1, 3, 8, 8, seed=9)
    expected = ReferenceEvaluator(model).run(None, {"x": values})[0]
    made = ReferenceEvaluator(alone).run(None, {"x": values})[0]
    np.testing.assert_allclose(np.maximum(made, 0), expected, rtol=1e-3, atol=1e-4)


def test_batch_norm_after_a_scaling_is_not_the_convolutions() -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("Mul", "c f", "t"),
        node("BatchNormalization", "t g s m v", "n"),
        node("Relu", "n", "y"),
    ]
    constants = {"w": random(4, 3, 3, 3), "f": random(4, 1, 1), **NORM}
    (bank,) = banks(opened(build(nodes, {"x": [1, 3, 8, 8]}, constants)))
    assert bank.batchnorm is None and bank.post_tensor == "y"


def test_batch_statistics_are_not_constant() -> None:
    batch = node("BatchNormalization", "c g s m v", "n mm vv", training_mode=1)
    nodes = [node("Conv", "x w", "c"), batch, node("Relu", "n", "y")]
    (bank,) = banks(opened(build(nodes, {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3), **NORM})))
    assert bank.batchnorm is None


@pytest.mark.zoo
def test_gtcrn_has_separate_batch_norms(zoo_model: Callable[[str], Path]) -> None:
    path = zoo_model("gtcrn")
    graph = open_graph(path)
    nodes = [one for one in graph.nodes if one.op_type == "BatchNormalization"]
    norms = [bank.batchnorm for bank in banks(graph) if bank.batchnorm is not None]
    assert {norm.tensor for norm in norms} == {one.output[0] for one in nodes}
    assert len(norms) == 11


@pytest.mark.zoo
def test_catalog_of_effective_filters(zoo_model: Callable[[str], Path], tmp_path: Path) -> None:
    path = zoo_model("gtcrn")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(path, name="apart")
        with pytest.raises(UsageError, match="without batch norms folded"):
            bench.add(path, name="apart", fold_batchnorm=True)
        bench.add(path, name="folded", fold_batchnorm=True)
        assert bench.add(path, name="folded").status == "unchanged"
        layers = bench.query(
            "select distinct m.name, l.batchnorm from layer l join model m on m.id = l.model_id"
        )
        assert {(row["name"], row["batchnorm"]) for row in layers} == {
            *(("apart", None), ("apart", "apart"), ("folded", None), ("folded", "folded"))
        }
        scaled = bench.filters("apart", where="batchnorm_scale is not null")
        place = "/".join(scaled[0]["address"].split("/")[1:])
        scales = (
            "select batchnorm_scale as scale from filter f join layer l on l.id = f.layer_id "
            "where scale is not null order by l.id, f.position"
        )
        scale = bench.query(scales)[0]["scale"]
        np.testing.assert_allclose(
            bench.bank(f"folded/{place}"), bench.bank(f"apart/{place}") * np.float32(scale), rtol=1e-5
        )
        assert bench.add(path, name="apart", replace=True, fold_batchnorm=True).status == "replaced"


@pytest.mark.parametrize(("count", "activation"), [(MOST_STEPS - 1, "relu"), (MOST_STEPS, None)])
def test_limit_on_the_nodes_that_are_followed(count: int, activation: str | None) -> None:
    names = ["c", *(f"v{number}" for number in range(count))]
    steps = [node("Identity", one, other) for one, other in pairwise(names)]
    assert bank(*steps, node("Relu", names[-1], "y")).activation == activation


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
