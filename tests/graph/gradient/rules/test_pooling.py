"""Gradients of pooling: overlapping windows, ties, and all ways to count padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of, rules, run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "2×2": ((1, 2, 4, 6), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "overlapping": ((2, 1, 7, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "stride 1": ((1, 2, 4, 5), {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}),
    "gaps between windows": ((1, 1, 8, 8), {"kernel_shape": [2, 1], "strides": [3, 3]}),
    "ceil": ((1, 1, 6, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "ceil with pads": (
        (1, 1, 6, 7),
        {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1, "pads": [1, 0, 1, 1]},
    ),
    "dilated": ((1, 1, 7, 8), {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 1, 0, 1]}),
    "1-D": ((1, 2, 9), {"kernel_shape": [3], "strides": [2]}),
    "3-D": ((1, 1, 4, 5, 4), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2], "pads": [0, 1, 0, 0, 1, 0]}),
    "same upper": ((1, 1, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "same lower": ((1, 1, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "valid": ((1, 1, 5, 6), {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": "VALID"}),
}

DISJOINT = {"2×2", "gaps between windows"}
"""Cases in which no windows overlap."""


def shuffled(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers that differ by 1 at least: a maximum stays where it is in a small step."""
    return np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)


@pytest.mark.parametrize("case", CASES)
def test_max_pool(case: str) -> None:
    shape, attributes = CASES[case]
    check([node("MaxPool", "x", "y", **attributes)], {"x": shuffled(*shape)}, step=0.25, tolerance=1e-4)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count_include_pad", [0, 1])
def test_average_pool(case: str, count_include_pad: int) -> None:
    shape, attributes = CASES[case]
    pool = node("AveragePool", "x", "y", **attributes, count_include_pad=count_include_pad)
    check([pool], {"x": random(*shape)}, opset=19 if "dilations" in attributes else 18, step=0.5)


@pytest.mark.parametrize("case", [case for case in CASES if "ceil" not in case])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool(case: str, p: int) -> None:
    shape, attributes = CASES[case]
    x = random(*shape)
    x += np.copysign(np.float32(0.1), x)
    check([node("LpPool", "x", "y", **attributes, p=p)], {"x": x}, step=1e-2, tolerance=3e-3)


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 3, 4), (1, 2, 2, 3, 2)])
def test_global_pools(shape: tuple[int, ...]) -> None:
    check([node("GlobalAveragePool", "x", "y")], {"x": random(*shape)})
    check([node("GlobalMaxPool", "x", "y")], {"x": shuffled(*shape)}, step=0.25, tolerance=1e-4)
    check([node("GlobalLpPool", "x", "y", p=3)], {"x": random(*shape)}, step=1e-2, tolerance=3e-3)


def test_equal_neighbours_share_nothing() -> None:
    """Of equal values the first is the maximum: every window passes its gradient to exactly one position."""
    flat = {"x": np.zeros((1, 1, 5, 5), np.float32)}
    pool = node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2])
    (found,) = derived(model_of([pool], flat), flat)
    expected = np.zeros((1, 1, 5, 5), np.float32)
    expected[0, 0, ::2, ::2][:2, :2] = 1
    np.testing.assert_array_equal(found, expected)
    (found,) = derived(model_of([node("GlobalMaxPool", "x", "y")], flat), flat)
    assert found.sum() == found[0, 0, 0, 0] == 1


def test_overlapping_windows_with_one_maximum_add_up() -> None:
    x = {"x": np.zeros((1, 1, 5, 5), np.float32)}
    x["x"][0, 0, 2, 2] = 1
    pool = node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2])
    (found,) = derived(model_of([pool], x), x)
    assert found[0, 0, 2, 2] == found.sum() == 4


@pytest.mark.parametrize("case", CASES)
def test_max_pool_for_other_providers(case: str) -> None:
    """Without MaxUnpool, which CUDA lacks: the same numbers."""
    shape, attributes = CASES[case]
    x = {"x": shuffled(*shape)}
    model = model_of([node("MaxPool", "x", "y", **attributes)], x)
    layout = "NC" + "DHW"[5 - len(shape) :]
    built = [
        gradient(model, Target("y", layout), "x", rules=rules(), provider=provider)
        for provider in ("cpu", "cuda")
    ]
    assert not any(each.op_type == "MaxUnpool" for each in built[1].graph.node)
    assert any(each.op_type == "MaxUnpool" for each in built[0].graph.node) == (case in DISJOINT)
    np.testing.assert_array_equal(run(built[0], x)[1], run(built[1], x)[1])


def test_lp_pool_of_zeros() -> None:
    x = {"x": np.zeros((1, 1, 4, 4), np.float32)}
    pool = node("LpPool", "x", "y", kernel_shape=[2, 2])
    np.testing.assert_array_equal(derived(model_of([pool], x), x)[0], 0)


def test_indices_that_are_used_already() -> None:
    x = {"x": shuffled(1, 1, 6, 6)}
    nodes = [
        node("MaxPool", "x", "p i", kernel_shape=[3, 3], strides=[3, 3]),
        node("Cast", "i", "c", to=1),
        node("Add", "p c", "y"),
    ]
    check(nodes, x, step=0.25, tolerance=1e-4)


def test_indices_by_columns() -> None:
    """They do not matter unless the network reads them."""
    x = {"x": shuffled(1, 2, 5, 6)}
    pool = node("MaxPool", "x", "p i", kernel_shape=[3, 2], storage_order=1)
    unread = node("MaxPool", "x", "y", kernel_shape=[3, 2], storage_order=1)
    check([unread], x, step=0.25, tolerance=1e-4)
    nodes = [pool, node("Cast", "i", "c", to=1), node("Add", "p c", "y")]
    with pytest.raises(ModelError, match="storage_order is 1, and its indices are read"):
        derived(model_of(nodes, x), x)


@pytest.mark.keras
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_torch(operator: str, data: st.DataObject) -> None:
    torch = find_torch()
    rank = data.draw(st.integers(1, 3))

    def draw(low: int, high: int) -> list[int]:
        return data.draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    kernel, strides, sizes = draw(1, 3), draw(1, 3), draw(4, 7)
    pads = [data.draw(st.integers(0, taps // 2)) for taps in kernel]
    ceil = data.draw(st.booleans())
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads * 2, "ceil_mode": int(ceil)}
    options = {"kernel_size": kernel, "stride": strides, "padding": pads, "ceil_mode": ceil}
    if operator == "MaxPool":
        attributes["dilations"] = options["dilation"] = draw(1, 2)
        each = zip(sizes, kernel, attributes["dilations"], pads, strict=True)
        assume(all(size + 2 * pad > (taps - 1) * dilation for size, taps, dilation, pad in each))
        function = getattr(torch.nn.functional, f"max_pool{rank}d")
    else:
        options["count_include_pad"] = data.draw(st.booleans())
        attributes["count_include_pad"] = int(options["count_include_pad"])
        function = getattr(torch.nn.functional, f"avg_pool{rank}d")
    x = {"x": shuffled(data.draw(st.integers(1, 2)), 2, *sizes) / 100}
    nodes = [node(operator, "x", "y", **attributes)]
    expected = tuple(function(torch.tensor(x["x"]), **options).shape)
    # With ceil_mode, libraries differ over a last window in padding alone.
    model = model_of(nodes, x)
    (inferred,) = onnx.shape_inference.infer_shapes(model).graph.output
    assume([d.dim_value for d in inferred.type.tensor_type.shape.dim] == list(expected))
    assume(run(model, x)[0].shape == expected)
    check_with_torch(nodes, x, lambda x: function(x, **options))
