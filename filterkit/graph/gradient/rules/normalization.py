"""Gradients of normalizations, whose scales and offsets are constant."""

from __future__ import annotations

import math
from collections.abc import Sequence

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.formula import Value, value

CONSTANT = "its scale or offset depends on the input"


def batch_normalization(step: Backward) -> Gradients:
    """With the stored statistics, it is linear."""
    if step.attributes.get("training_mode", 0) or len(step.node.output) > 1:
        raise step.unsupported("it is in training mode; export the network for inference")
    step.refuse(1, 2, 3, 4, what=CONSTANT)
    per_channel = [-1, *[1] * (len(step.shape()) - 2)]
    scale, variance = value(step, step.inputs[1]), value(step, step.inputs[4])
    factor = scale / (variance + step.attributes.get("epsilon", 1e-5)).call("Sqrt")
    return ((value(step, step.gradient) * _reshaped(factor, per_channel)).name,)


def instance_normalization(step: Backward) -> Gradients:
    step.refuse(1, 2, what=CONSTANT)
    rank = len(step.shape())
    scale = _reshaped(value(step, step.inputs[1]), (-1, *[1] * (rank - 2)))
    x, incoming = value(step, step.inputs[0]), value(step, step.gradient) * scale
    return (_normalized(x, incoming, range(2, rank), step.attributes.get("epsilon", 1e-5)).name,)


def layer_normalization(step: Backward) -> Gradients:
    step.refuse(1, 2, what=CONSTANT)
    rank = len(step.shape())
    axes = range(step.attributes.get("axis", -1) % rank, rank)
    incoming = value(step, step.gradient) * value(step, step.inputs[1])
    x = value(step, step.inputs[0])
    return (_normalized(x, incoming, axes, step.attributes.get("epsilon", 1e-5)).name,)


def group_normalization(step: Backward) -> Gradients:
    """The scale is one per group before opset 21, one per channel since."""
    step.refuse(1, 2, what=CONSTANT)
    batch, channels, *space = step.shape()
    groups = step.attributes["num_groups"]
    shape = (batch, groups, channels // groups, math.prod(space))
    scale = _reshaped(value(step, step.inputs[1]), (groups, -1, 1))
    incoming = _reshaped(value(step, step.gradient), shape) * scale
    x = _reshaped(value(step, step.inputs[0]), shape)
    back = _normalized(x, incoming, (2, 3), step.attributes.get("epsilon", 1e-5))
    return (step.reshape(back.name, step.shape()),)


def mean_variance_normalization(step: Backward) -> Gradients:
    axes = step.attributes.get("axes", [0, 2, 3])
    x, incoming = value(step, step.inputs[0]), value(step, step.gradient)
    return (_normalized(x, incoming, axes, 0.0).name,)


def rms_normalization(step: Backward) -> Gradients:
    step.refuse(1, what=CONSTANT)
    rank = len(step.shape())
    axes = range(step.attributes.get("axis", -1) % rank, rank)
    incoming = value(step, step.gradient) * value(step, step.inputs[1])
    x = value(step, step.inputs[0])
    inverse = 1.0 / (_mean(x**2, axes) + step.attributes.get("epsilon", 1e-5)).call("Sqrt")
    standardized = x * inverse
    return ((inverse * (incoming - standardized * _mean(incoming * standardized, axes))).name,)


def lrn(step: Backward) -> Gradients:
    """``g / d**beta - 2 alpha beta / size * x * (sum over windows of g y / d)``; ``d`` is the divisor."""
    given, (batch, channels, *space) = step.attributes, step.shape()
    size, beta = given["size"], given.get("beta", 0.75)
    rate, before = given.get("alpha", 1e-4) / size, (size - 1) // 2
    shape = (batch, 1, channels, math.prod(space))
    x, y, incoming = (
        _reshaped(value(step, name), shape) for name in (step.inputs[0], step.output(), step.gradient)
    )

    def window(x: Value, before: int) -> Value:
        pads = [before, 0, size - 1 - before, 0]
        return x.call("AveragePool", kernel_shape=[size, 1], pads=pads, count_include_pad=1) * float(size)

    divisor = window(x**2, before) * rate + given.get("bias", 1.0)
    across = window(incoming * y / divisor, size - 1 - before)
    back = incoming * divisor ** (-beta) - x * across * (2 * rate * beta)
    return (step.reshape(back.name, step.shape()),)


def _normalized(x: Value, incoming: Value, axes: Sequence[int], epsilon: float) -> Value:
    """The gradient of ``(x - mean) / sqrt(variance + epsilon)`` over some axes."""
    centred = x - _mean(x, axes)
    inverse = 1.0 / (_mean(centred**2, axes) + epsilon).call("Sqrt")
    standardized = centred * inverse
    rest = _mean(incoming, axes) + standardized * _mean(incoming * standardized, axes)
    return (incoming - rest) * inverse


def _mean(x: Value, axes: Sequence[int]) -> Value:
    return Value(x.builder, x.builder.reduce("ReduceMean", x.name, list(axes)))


def _reshaped(x: Value, shape: Sequence[int]) -> Value:
    return Value(x.builder, x.builder.reshape(x.name, shape))


def rule() -> Family:
    return standard(
        BatchNormalization=batch_normalization,
        InstanceNormalization=instance_normalization,
        LayerNormalization=layer_normalization,
        GroupNormalization=group_normalization,
        MeanVarianceNormalization=mean_variance_normalization,
        RMSNormalization=rms_normalization,
        LRN=lrn,
    )
