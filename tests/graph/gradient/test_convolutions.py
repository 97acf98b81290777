"""Gradients of convolutions, plain and transposed, of any rank."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from gradient_checks import check, check_with_torch, derived, find_torch, model_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_graphs import node, random

from filterkit.errors import ModelError

CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "stride 1": ((1, 3, 5, 6), (4, 3, 3, 2), {"pads": [1, 0, 1, 1]}),
    "stride 2, last positions unread": ((2, 2, 6, 7), (3, 2, 3, 3), {"strides": [2, 3]}),
    "1-D": ((1, 2, 9), (3, 2, 3), {"strides": [2], "pads": [2, 0], "dilations": [2]}),
    "3-D": ((1, 2, 4, 3, 4), (2, 2, 2, 2, 3), {"pads": [0, 1, 1, 1, 0, 1]}),
    "groups": ((1, 4, 4, 4), (6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "depthwise, stride 2": (
        (1, 3, 5, 5),
        (6, 1, 3, 3),
        {"group": 3, "strides": [2, 2], "pads": [1, 1, 1, 1]},
    ),
    "dilations": ((1, 2, 7, 7), (2, 2, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "pads wider than the kernel": ((1, 1, 3, 3), (1, 1, 2, 2), {"pads": [3, 2, 2, 4]}),
    "1×1": ((1, 3, 3, 3), (2, 3, 1, 1), {}),
    "1×1, stride 2": ((1, 3, 4, 5), (2, 3, 1, 1), {"strides": [2, 2]}),
    "same upper": ((1, 2, 5, 6), (2, 2, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ((1, 2, 5, 6), (2, 2, 3, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    "valid": ((1, 2, 5, 6), (2, 2, 3, 4), {"auto_pad": "VALID"}),
}
"""Shapes of input and weights, and attributes."""

TRANSPOSED: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "stride 1": ((1, 3, 4, 5), (3, 2, 3, 2), {"pads": [1, 0, 1, 1]}),
    "stride 2": ((2, 2, 3, 4), (2, 3, 3, 3), {"strides": [2, 3], "output_padding": [1, 2]}),
    "1-D": ((1, 2, 5), (2, 3, 3), {"strides": [2], "pads": [1, 0], "dilations": [2]}),
    "3-D": ((1, 2, 2, 3, 2), (2, 2, 2, 2, 3), {"strides": [1, 2, 1]}),
    "groups": ((1, 4, 3, 3), (4, 3, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "same upper": ((1, 2, 3, 4), (2, 2, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ((1, 2, 3, 4), (2, 2, 3, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "output shape": ((1, 2, 3, 3), (2, 2, 3, 3), {"output_shape": [6, 5], "strides": [2, 2]}),
    "stride beyond the kernel": ((1, 1, 3, 3), (1, 1, 1, 2), {"strides": [3, 4], "output_padding": [2, 3]}),
}


def both(cases: dict[str, Any], operator: str) -> Iterator[Any]:
    for name, values in cases.items():
        yield pytest.param(operator, *values, id=f"{operator}, {name}")


@pytest.mark.parametrize(
    ("operator", "shape", "weights", "attributes"),
    [*both(CASES, "Conv"), *both(TRANSPOSED, "ConvTranspose")],
)
def test_finite_differences(
    operator: str, shape: tuple[int, ...], weights: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    constants = {"w": random(*weights, seed=4), "b": random(_outputs(operator, weights, attributes), seed=5)}
    nodes = [node(operator, "x w b", "y", **attributes)]
    check(nodes, {"x": random(*shape, seed=6)}, constants, step=0.5)


def _outputs(operator: str, weights: tuple[int, ...], attributes: dict[str, Any]) -> int:
    return weights[0] if operator == "Conv" else weights[1] * attributes.get("group", 1)


@pytest.mark.keras
@pytest.mark.parametrize(("operator", "rank"), [*product(["Conv", "ConvTranspose"], [1, 2, 3])])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_torch(operator: str, rank: int, data: st.DataObject) -> None:
    torch = find_torch()

    def draw(low: int, high: int) -> list[int]:
        return data.draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    group, per_group = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    kernel, strides, dilations, pads = draw(1, 3), draw(1, 3), draw(1, 2), draw(0, 2)
    sizes = draw(3, 7)
    out_channels = group * data.draw(st.integers(1, 2))
    spreads = [(taps - 1) * dilation for taps, dilation in zip(kernel, dilations, strict=True)]
    attributes = {"strides": strides, "dilations": dilations, "pads": pads * 2, "group": group}
    options = {"stride": strides, "dilation": dilations, "padding": pads, "groups": group}
    if operator == "Conv":
        assume(all(s + 2 * p > wide for s, p, wide in zip(sizes, pads, spreads, strict=True)))
        weights = random(out_channels, per_group, *kernel, seed=1)
        function = getattr(torch.nn.functional, f"conv{rank}d")
    else:
        extra = [data.draw(st.integers(0, stride - 1)) for stride in strides]
        attributes["output_padding"] = options["output_padding"] = extra
        ends = zip(sizes, strides, spreads, pads, strict=True)
        assume(all((size - 1) * stride + wide + 1 > 2 * pad for size, stride, wide, pad in ends))
        weights = random(group * per_group, out_channels // group, *kernel, seed=1)
        function = getattr(torch.nn.functional, f"conv_transpose{rank}d")
    x = random(data.draw(st.integers(1, 2)), group * per_group, *sizes, seed=2)
    check_with_torch(
        [node(operator, "x w", "y", **attributes)],
        {"x": x},
        lambda x: function(x, torch.tensor(weights, dtype=torch.float64), **options),
        {"w": weights},
    )


@pytest.mark.parametrize(
    ("activation", "given", "after"),
    [
        ("Relu", {}, node("Relu", "s", "y")),
        ("Tanh", {}, node("Tanh", "s", "y")),
        ("LeakyRelu", {"activation_params": [0.25]}, node("LeakyRelu", "s", "y", alpha=0.25)),
        (
            "HardSigmoid",
            {"activation_params": [0.3, 0.4]},
            node("HardSigmoid", "s", "y", alpha=0.3, beta=0.4),
        ),
        ("Clip", {"activation_params": [-0.5, 1.5]}, node("Clip", "s low high", "y")),
    ],
)
def test_fused_convolution(activation: str, given: dict[str, Any], after: Any) -> None:
    x, z = random(1, 2, 4, 4), random(1, 3, 4, 4, seed=1)
    weights = {"w": random(3, 2, 3, 3, seed=2), "b": random(3, seed=3)}
    limits = {"low": np.float32(-0.5), "high": np.float32(1.5)} if activation == "Clip" else {}
    pads = [1, 1, 1, 1]
    fused = node(
        "FusedConv", "x w b z", "y", domain="com.microsoft", activation=activation, pads=pads, **given
    )
    plain = [node("Conv", "x w b", "c", pads=pads), node("Add", "c z", "s"), after]
    inputs = {"x": x, "z": z}
    found = derived(model_of([fused], inputs, weights), inputs)
    for one, other in zip(
        found, derived(model_of(plain, inputs, {**weights, **limits}), inputs), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_gradient_of_a_computed_bias() -> None:
    inputs = {"x": random(1, 2, 4, 4), "b": random(3, seed=3)}
    check([node("Conv", "x w b", "y")], inputs, {"w": random(3, 2, 3, 3, seed=2)}, step=0.5)


def test_weights_that_depend_on_the_input() -> None:
    inputs = {"x": random(1, 2, 4, 4), "w": random(3, 2, 3, 3, seed=2)}
    with pytest.raises(
        ModelError, match=r"'mixed' \(Conv\) has no gradient: its weights depend on the input"
    ):
        derived(model_of([node("Conv", "x w", "y", "mixed")], inputs), inputs)
