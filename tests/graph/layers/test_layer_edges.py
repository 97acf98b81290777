"""Edges: which layers reach which is found by running the network from their outputs on, in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx_graphs import banks, build, node, opened, random

from filterkit.errors import ModelError
from filterkit.graph.layers import layer_edges as module
from filterkit.graph.layers.layer_edges import Edge, layer_edges

FIRST = node("Conv", "x w", "p", name="first", pads=[1] * 4)
SECOND = node("Conv", "x v", "q", name="second", pads=[1] * 4)
RELU = node("Relu", "p", "r")
WEIGHTS = {"w": random(4, 3, 3, 3), "v": random(2, 3, 3, 3, seed=1)}
POOL = node("MaxPool", "r", "z", kernel_shape=[2, 2], strides=[2, 2])
LAST = "last"

NETWORKS: dict[str, tuple[list[onnx.NodeProto], int, dict[str, Any]]] = {
    "chain": ([FIRST, RELU, POOL], 4, {}),
    "residual": (
        [FIRST, RELU, node("Conv", "r u", "s", name="middle", pads=[1] * 4), node("Add", "s r", "z")],
        4,
        {"u": random(4, 4, 3, 3, seed=2)},
    ),
    "concatenation": ([FIRST, RELU, SECOND, node("Concat", "q r", "z", axis=1)], 6, {}),
    "with the input": ([FIRST, RELU, node("Concat", "x r", "z", axis=1)], 7, {}),
    "half of the channels": (
        [FIRST, SECOND, node("Split", "p two", "a b", axis=1), node("Concat", "q b", "z", axis=1)],
        4,
        {"two": np.array([2, 2])},
    ),
    "gate": (
        [
            FIRST,
            RELU,
            node("GlobalAveragePool", "r", "g"),
            node("Conv", "g u", "h", name="gate"),
            node("Sigmoid", "h", "s"),
            node("Mul", "r s", "z"),
        ],
        4,
        {"u": random(4, 4, 1, 1, seed=3)},
    ),
    "only the size of another": (
        [
            *(FIRST, SECOND, node("Shape", "p", "m"), node("Shape", "q", "n")),
            *(node("Slice", "m zero two", "k"), node("Slice", "n two four", "l")),
            *(node("Concat", "k l", "o", axis=0), node("Resize", "p _ _ o", "z", mode="nearest")),
        ],
        4,
        {"zero": np.array([0]), "two": np.array([2]), "four": np.array([4])},
    ),
}


def made(name: str) -> onnx.ModelProto:
    nodes, channels, constants = NETWORKS[name]
    last = node("Conv", "z t", "y", name=LAST)
    constants = {**WEIGHTS, **constants, "t": random(5, channels, 1, 1, seed=9)}
    return build([*nodes, last], {"x": [1, 3, 8, 8]}, constants, ["y"])


def rows(model: onnx.ModelProto) -> list[dict[str, Any]]:
    """What table `layer` has of the layers."""
    names = ("scope", "input_tensor", "pre_tensor", "post_tensor", "pre_layout", "post_layout", "activation")
    return [
        {"name": bank.node, "filters": bank.out_channels, **{name: getattr(bank, name) for name in names}}
        for bank in banks(opened(model))
    ]


def reached(model: onnx.ModelProto) -> dict[tuple[str | None, str], int]:
    """By the names of two layers (None: the input), the first channel that the second reads from the first.

    Each convolution is replaced by an input of the network; what a random value there changes is reached.
    """
    cut = onnx.ModelProto.FromString(model.SerializeToString())
    layers = [each for each in model.graph.node if each.op_type == "Conv"]
    whole = onnxruntime.InferenceSession(_with_outputs(model, [each.output[0] for each in layers]))
    x = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    values = dict(zip([each.output[0] for each in layers], whole.run(None, {"x": x}), strict=True))
    del cut.graph.node[:]
    cut.graph.node.extend(each for each in model.graph.node if each.op_type != "Conv")
    cut.graph.input.extend(helper.make_tensor_value_info(name, 1, v.shape) for name, v in values.items())
    del cut.graph.output[:]
    reads = {each.name: each.input[0] for each in layers}
    session = onnxruntime.InferenceSession(
        _with_outputs(cut, [f"out_{name}" for name in reads], {f"out_{k}": v for k, v in reads.items()})
    )

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(reads, session.run(None, feeds), strict=True))

    before = run({"x": x, **values})
    found: dict[tuple[str | None, str], int] = {}
    for source, name in {None: "x", **{each.name: each.output[0] for each in layers}}.items():
        changed = {"x": x, **values}
        changed[name] = np.abs(changed[name]) + 1
        for target, value in run(changed).items():
            differs = [place for place in range(value.shape[1]) if (value != before[target])[0, place].any()]
            if differs:
                found[source, target] = differs[0]
    return found


def _with_outputs(model: onnx.ModelProto, names: list[str], copies: dict[str, str] | None = None) -> bytes:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    copy.graph.node.extend(helper.make_node("Identity", [of], [name]) for name, of in (copies or {}).items())
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in names)
    data: bytes = copy.SerializeToString()
    return data


@pytest.mark.parametrize("name", NETWORKS)
def test_edges_are_what_is_reached_when_the_network_runs(name: str) -> None:
    model = made(name)
    layers = rows(model)
    edges = [each for each in layer_edges(opened(model), layers) if each.to_layer is not None]
    names = [row["name"] for row in layers]
    found = {
        (None if each.from_layer is None else names[each.from_layer], names[each.to_layer]): each
        for each in edges
        if each.to_layer is not None
    }
    assert len(found) == len(edges)
    expected = reached(model)
    assert found.keys() == expected.keys()
    offsets = {pair: each.channel_offset for pair, each in found.items()}
    assert {pair: expected[pair] for pair, offset in offsets.items() if offset is not None} == {
        pair: offset for pair, offset in offsets.items() if offset is not None
    }
    if name not in ("gate", "only the size of another"):
        assert None not in offsets.values()
    assert all((each.tensor == "x") is (each.from_layer is None) for each in edges)


def test_the_operators_between_two_layers_are_those_of_the_shortest_way() -> None:
    edges = layer_edges(opened(made("residual")), rows(made("residual")))
    assert edges == [
        Edge(None, 0, (), 0, "x"),
        Edge(0, 1, ("Relu",), 0),
        Edge(0, 2, ("Relu", "Add"), 0),
        Edge(1, 2, ("Add",), 0),
        Edge(2, None, (), None, "y"),
    ]


def test_a_long_way_is_shortened_in_the_middle() -> None:
    steps = [node("Abs", f"a{number}", f"a{number + 1}") for number in range(60)]
    model = build(
        [node("Conv", "x w", "a0", name="first"), *steps, node("Conv", "a60 t", "y", name=LAST)],
        {"x": [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3), "t": random(2, 4, 1, 1)},
    )
    [way] = [each.via for each in layer_edges(opened(model), rows(model)) if each[:2] == (0, 1)]
    assert way == (*["Abs"] * 20, "…", *["Abs"] * 20)


def test_layers_in_branches_are_reached_and_reach() -> None:
    def branch(name: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, 1, None)
        return helper.make_graph(
            [node("Conv", f"r {name}w", name, name=f"in_{name}", pads=[1] * 4)], name, [], [output]
        )

    choice = helper.make_node(
        "If", ["flag"], ["z"], "choice", then_branch=branch("a"), else_branch=branch("b")
    )
    model = build(
        [FIRST, RELU, choice, node("Conv", "z t", "y", name=LAST)],
        {"x": [1, 3, 8, 8]},
        {
            "w": random(4, 3, 3, 3),
            "t": random(2, 4, 1, 1),
            "flag": np.array(True),
            "aw": random(4, 4, 3, 3, seed=4),
            "bw": random(4, 4, 3, 3, seed=5),
        },
    )
    layers = rows(model)
    names = [row["name"].rpartition("/")[2] for row in layers]
    edges = layer_edges(opened(model), layers)
    pairs = {
        (names[each.from_layer], names[each.to_layer])
        for each in edges
        if each.from_layer is not None and each.to_layer is not None
    }
    assert pairs == {("first", "in_a"), ("first", "in_b"), ("in_a", LAST), ("in_b", LAST)}


@pytest.mark.parametrize(("most", "is_refused"), [(5, False), (4, True)])
def test_no_more_edges_than_the_limit(monkeypatch: pytest.MonkeyPatch, most: int, is_refused: bool) -> None:
    monkeypatch.setattr(module, "MOST_EDGES", most)
    model = made("residual")
    if is_refused:
        with pytest.raises(ModelError, match="so many layers"):
            layer_edges(opened(model), rows(model))
    else:
        assert len(layer_edges(opened(model), rows(model))) == most


@pytest.mark.parametrize("is_refused", [False, True])
def test_layers_come_together_within_the_limit(monkeypatch: pytest.MonkeyPatch, is_refused: bool) -> None:
    """In a chain of additions each sum has one layer more than the one before, and is merged from both."""
    count = 43
    layers = [node("Conv", "x w", f"c{number}", name=f"c{number}") for number in range(count)]
    sums = [node("Add", f"s{n} c{n}" if n else "c0 c0", f"s{n + 1}") for n in range(count)]
    model = build([*layers, *sums], {"x": [1, 1, 4, 4]}, {"w": random(1, 1, 1, 1)}, [f"s{count}"])
    found = rows(model)
    ways = count + count * (count + 1) // 2  # of the convolutions, which read the input, and of the sums
    monkeypatch.setattr(module, "MOST_WAYS", ways - is_refused)
    if is_refused:
        with pytest.raises(ModelError, match="so many layers"):
            layer_edges(opened(model), found)
    else:
        assert len(layer_edges(opened(model), found)) == 2 * count


def test_names_of_any_length_are_cut() -> None:
    long = "x" * 5000
    model = build(
        [
            node("Conv", f"{long} w", "p", name="first"),
            node("O" * 5000, "p", "q", domain="custom"),
            node("Conv", "q t", long + "y", name=LAST),
        ],
        {long: [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3), "t": random(2, 4, 1, 1)},
    )
    edges = layer_edges(opened(model), rows(model))
    assert {each.tensor for each in edges} == {"x" * 200, None}
    assert {each.via for each in edges} == {(), ("O" * 200,)}


@pytest.mark.parametrize("most", [12, 11])
def test_channels_are_followed_within_the_limit(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Six channels come through two nodes."""
    monkeypatch.setattr(module, "MOST_FOLLOWED", most)
    model = made("concatenation")
    edges = [each for each in layer_edges(opened(model), rows(model)) if each.to_layer == 2]
    assert [each.channel_offset for each in edges] == ([2, 0] if most == 12 else [None, None])
