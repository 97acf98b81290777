"""Gradients of activation functions.

Where a function is not differentiable, its slope is that on the left (0 for Relu and Clip at their limits).
"""

from __future__ import annotations

import math

import numpy as np

from filterkit.graph.gradient.backward import Backward, Family, Gradients
from filterkit.graph.gradient.formula import (
    Value,
    by_derivative,
    by_derivative_of_output,
    by_mask,
    value,
)

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
"""Defaults of the operator Selu."""


HUGE = 1e38


def relu(step: Backward) -> Gradients:
    """The gradient where the output is positive, else 0.

    A condition on the output allows ONNX Runtime to fuse Relu with the convolution before it. On the CPU,
    Where is slow, and convolutions have a blocked layout of their own. If no gradient can be infinite, it is
    multiplied by 0 or 1, which ONNX Runtime computes in that layout: `HUGE` times `HUGE` makes at least 1 of
    the smallest positive number.
    """
    y, incoming, shape = value(step, step.output()), value(step, step.gradient), step.output_shape()
    on_cpu = step.builder.provider == "cpu" and step.builder.dtype == np.float32
    if not (on_cpu and step.builder.finite and len(shape) == 4):
        return ((y > 0).where(incoming, 0.0).name,)
    factors = value(step, step.const(np.full((shape[1], 1, 1, 1), HUGE)))
    mask = y.call("Conv", factors, group=shape[1]).call("HardSigmoid", alpha=HUGE, beta=0.0)
    return ((incoming * mask).name,)


def clip(step: Backward) -> Gradients:
    """0 at both limits, like ReLU6; from the output, which is between the limits where the input is."""
    output, incoming = value(step, step.output()), value(step, step.gradient)
    within = None
    for place, compare in ((1, Value.__gt__), (2, Value.__lt__)):
        if step.has(place):
            inside = compare(output, value(step, step.inputs[place]))
            within = inside if within is None else within & inside
    step.refuse(1, 2, what="its limits depend on the input")
    return (step.gradient if within is None else within.where(incoming, 0.0).name,)


def leaky_relu(step: Backward) -> Gradients:
    alpha = step.attributes.get("alpha", 0.01)
    tensor = step.output() if alpha >= 0 else step.inputs[0]  # the output has the sign of the input
    incoming = value(step, step.gradient)
    return ((value(step, tensor) > 0).where(incoming, incoming * alpha).name,)


def prelu(step: Backward) -> Gradients:
    x, slope, incoming = (value(step, name) for name in (*step.inputs, step.gradient))
    positive = x > 0
    of_slope = None
    if step.needed[1]:
        product = positive.where(0.0, x * incoming)
        of_slope = step.sum_to(product.name, step.shape(), step.shape(1))
    return positive.where(incoming, incoming * slope).name, of_slope


def _elu(step: Backward, x: Value) -> Value:
    alpha = step.attributes.get("alpha", 1.0)
    return (x > 0).where(1.0, value(step, step.output()) + alpha)


def _selu(step: Backward, x: Value) -> Value:
    alpha, gamma = step.attributes.get("alpha", SELU_ALPHA), step.attributes.get("gamma", SELU_GAMMA)
    return (x > 0).where(gamma, value(step, step.output()) + alpha * gamma)


def _celu(step: Backward, x: Value) -> Value:
    alpha = float(step.attributes.get("alpha", 1.0))
    return (x > 0).where(1.0, (x * (1 / alpha)).call("Exp"))


def _hard_sigmoid(step: Backward, y: Value) -> Value:
    return ((y > 0) & (y < 1)).where(step.attributes.get("alpha", 0.2), 0.0)


def _hard_swish(step: Backward, x: Value) -> Value:
    return (x > 3).where(1.0, (x < -3).where(0.0, x * (1 / 3) + 0.5))


def _gelu(step: Backward, x: Value) -> Value:
    if step.attributes.get("approximate", "none") == "tanh":
        return _tanh_gelu(step, x)
    density = (x**2 * -0.5).call("Exp") * (1 / math.sqrt(2 * math.pi))
    return ((x * math.sqrt(0.5)).call("Erf") + 1.0) * 0.5 + x * density


def _tanh_gelu(step: Backward, x: Value) -> Value:
    square, scale = x**2, math.sqrt(2 / math.pi)
    tanh = (x * (square * (0.044715 * scale) + scale)).call("Tanh")
    inner = square * (3 * 0.044715 * scale) + scale
    return (tanh + 1.0) * 0.5 + x * (1.0 - tanh**2) * inner * 0.5


def _mish(step: Backward, x: Value) -> Value:
    tanh = x.call("Softplus").call("Tanh")
    return tanh + x * x.call("Sigmoid") * (1.0 - tanh**2)


def _swish(step: Backward, x: Value) -> Value:
    default = 1.702 if step.node.op_type == "QuickGelu" else 1.0
    alpha = float(step.attributes.get("alpha", default))
    gate = (x * alpha).call("Sigmoid")
    return gate + x * gate * (1.0 - gate) * alpha


def biased_gelu(step: Backward) -> Gradients:
    """BiasGelu and FastGelu of ONNX Runtime: of the sum of the input and an optional bias."""
    x = value(step, step.inputs[0])
    x = x + value(step, step.inputs[1]) if step.has(1) else x
    slope = _gelu(step, x) if step.node.op_type == "BiasGelu" else _tanh_gelu(step, x)
    back = (value(step, step.gradient) * slope).name
    if not step.has(1):
        return (back,)
    return back, step.sum_to(back, step.shape(), step.shape(1)) if step.needed[1] else None


def rule() -> Family:
    return Family(
        {
            ("", "Relu"): relu,
            ("", "ThresholdedRelu"): by_mask(
                lambda step: value(step, step.inputs[0]) > step.attributes.get("alpha", 1.0)
            ),
            ("", "Clip"): clip,
            ("", "LeakyRelu"): leaky_relu,
            ("", "PRelu"): prelu,
            ("", "Elu"): by_derivative(_elu),
            ("", "Selu"): by_derivative(_selu),
            ("", "Celu"): by_derivative(_celu),
            ("", "Sigmoid"): by_derivative_of_output(lambda _, y: y * (1.0 - y)),
            ("", "HardSigmoid"): by_derivative_of_output(_hard_sigmoid),
            ("", "HardSwish"): by_derivative(_hard_swish),
            ("", "Tanh"): by_derivative_of_output(lambda _, y: 1.0 - y**2),
            ("", "Gelu"): by_derivative(_gelu),
            ("", "Softplus"): by_derivative(lambda _, x: x.call("Sigmoid")),
            ("", "Softsign"): by_derivative(lambda _, x: 1.0 / (x.call("Abs") + 1.0) ** 2),
            ("", "Mish"): by_derivative(_mish),
            ("", "Swish"): by_derivative(_swish),
            ("com.microsoft", "Gelu"): by_derivative(_gelu),
            ("com.microsoft", "QuickGelu"): by_derivative(_swish),
            ("com.microsoft", "BiasGelu"): biased_gelu,
            ("com.microsoft", "FastGelu"): biased_gelu,
        }
    )
