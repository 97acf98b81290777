"""Receptive fields through reductions, norms, recurrences and products."""

from __future__ import annotations

import numpy as np
import pytest
from dependence import check, geometry, last, reshape
from onnx_graphs import build, node, random


def test_running_sum_has_no_window() -> None:
    """Each position depends on all before it, the last one on the whole axis."""
    nodes = [node("Conv", "x w", "c"), node("CumSum", "c axis", "s"), node("Conv", "s v", "y")]
    constants = {"axis": np.array(2), "w": random(2, 3, 3), "v": random(2, 2, 3)}
    first, last = geometry(build(nodes, {"x": [1, 3, 16]}, constants))
    assert (first.receptive_field, first.global_context) == ((3,), False)
    assert (last.receptive_field, last.global_context) == (None, True)
    nodes = [node("CumSum", "x axis", "s"), node("Conv", "s w", "y")]
    constants = {"axis": np.array(2), "w": random(2, 3, 3, 3)}
    [layer] = geometry(build(nodes, {"x": [1, 3, 16, 16]}, constants))
    assert (layer.receptive_field, layer.global_context) == (None, True)


def test_dynamic_quantization_adds_no_context() -> None:
    """Although its scale depends on all values."""
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


def test_group_norm_of_open_size() -> None:
    """Reshaped to groups, normalized, and reshaped to the original shape."""
    nodes = [
        node("Conv", "x w", "c", strides=[2, 2]),
        node("Reshape", "c groups", "r"),
        node("InstanceNormalization", "r ones zeros", "n"),
        node("Shape", "c", "sizes"),
        node("Reshape", "n sizes", "m"),
        node("Mul", "m scale", "s"),
        node("Add", "s c", "a"),
        node("Conv", "a v", "y"),
    ]
    constants = {
        "w": random(8, 3, 3, 3), "v": random(2, 8, 3, 3), "groups": np.array([0, 4, -1]),
        "ones": random(4), "zeros": random(4), "scale": random(8, 1, 1),
    }  # fmt: skip
    for shape in ([1, 3, 33, 33], ["n", 3, "h", "w"]):
        first, last = geometry(build(nodes, {"x": shape}, constants))
        assert (first.receptive_field, first.global_context) == ((3, 3), False)
        assert (last.receptive_field, last.jump, last.global_context) == ((7, 7), (2, 2), True)


def test_norms_over_channels_at_the_end_are_local() -> None:
    """As in a ConvNeXt: transpose, norm over channels, dense layer, transpose back."""
    nodes = [
        node("Conv", "x w", "c", pads=[1] * 4),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("LayerNormalization", "t ones", "n"),
        node("MatMul", "n dense", "d"),
        node("Transpose", "d", "u", perm=[0, 3, 1, 2]),
        node("Add", "c u", "a"),
        node("Conv", "a v", "y"),
    ]
    constants = {"w": random(8, 3, 3, 3), "v": random(2, 8, 3, 3), "ones": random(8), "dense": random(8, 8)}
    layers = geometry(build(nodes, {"x": [1, 3, "h", "w"]}, constants))
    assert [layer.receptive_field for layer in layers] == [(3, 3), (5, 5)]
    assert [layer.global_context for layer in layers] == [False, False]


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_recurrence_along_columns_has_no_window(op: str) -> None:
    """As in text recognition: the columns become a sequence, and then a picture again."""
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    nodes = [
        node("Transpose", "x", "t", perm=[3, 0, 1, 2]),
        node("Reshape", "t rows", "r"),
        node(op, "r wx wh", "s", hidden_size=5),
        node("Transpose", "s", "u", perm=[2, 3, 1, 0]),
        node("Conv", "u w", "y"),
    ]
    constants = {
        "rows": np.array([0, 0, -1]), "wx": random(1, gates * 5, 3 * 8), "wh": random(1, gates * 5, 5),
        "w": random(2, 5, 1, 3),
    }  # fmt: skip
    [layer] = geometry(build(nodes, {"x": [1, 3, 8, 16]}, constants))
    assert (layer.receptive_field, layer.global_context) == (None, True)


def test_einsum_sums_over_what_is_not_in_the_output() -> None:
    mixed = [node("Einsum", "x one", "s", equation="nchw,dc->ndhw")]
    one = np.ones((2, 2), np.float32)
    layer = check(mixed, 2, one=one)
    assert (layer.receptive_field, layer.global_context) == ((3, 3), False)
    gate = [node("Einsum", "x", "p", equation="nchw->nc"), reshape("p", "q"), node("Mul", "x q", "s")]
    layer, sees = last(gate, 2, q_shape=[1, 2, 1, 1])
    assert (layer.receptive_field, layer.global_context) == ((3, 3), True)
    assert all(seen.all() for seen in sees)
    layer, _ = last([node("Einsum", "x diagonal", "s", equation="nchw,cc->nchw")], 2, diagonal=one)
    assert (layer.receptive_field, layer.global_context) == (None, None)


@pytest.mark.parametrize(
    "equation", ["...hw,dc->...hw", "nchw,dc->ndhw", "...chw,dc->...dhw", "nchw,cd", "n...w,dc->n...w"]
)
def test_einsum_with_dots_or_without_an_output(equation: str) -> None:
    nodes = [node("Einsum", "x one", "t" if "->" not in equation else "s", equation=equation)]
    if "->" not in equation:
        nodes.append(node("Transpose", "t", "s", perm=[2, 0, 1, 3]))
    layer = check(nodes, 2, one=np.ones((2, 2), np.float32))
    assert (layer.receptive_field, layer.global_context) == ((3, 3), False)
