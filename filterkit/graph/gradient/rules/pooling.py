"""Gradients of pooling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.formula import Value, value
from filterkit.graph.gradient.sliding_windows import Windows, windows_of


def max_pool(step: Backward) -> Gradients:
    """Add every gradient where the maximum was found, exactly one place per window (output Indices).

    Comparing values would be wrong where neighbours are equal, and MaxUnpool where windows overlap. Where
    they do not, it is several times as fast as ScatterElements on the CPU; CUDA has no kernel for it.
    """
    if step.attributes.get("storage_order", 0):
        _number_by_rows(step)
    windows = windows_of(step, step.attributes["kernel_shape"])
    disjoint = all(axis.spread < axis.stride for axis in windows.axes)
    if disjoint and step.builder.provider == "cpu" and step.builder.dtype == np.float32:
        sizes, window = step.ints(*step.shape()), [1] * len(windows.axes)  # without an effect on the result
        return (step.op("MaxUnpool", step.gradient, step.output(1), sizes, kernel_shape=window),)
    zeros = step.op("Expand", step.const([0.0]), step.ints(math.prod(step.shape())))
    places = step.reshape(step.output(1), (-1,))
    values = step.reshape(step.gradient, (-1,))
    back = step.builder.scatter("ScatterElements", zeros, places, values, axis=0)
    return (step.reshape(back, step.shape()),)


def _number_by_rows(step: Backward) -> None:
    """Number the indices row by row, unless the network reads them column by column."""
    if any(step.node.output[1:]):
        raise step.unsupported("storage_order is 1, and its indices are read")
    kept = [each for each in step.node.attribute if each.name != "storage_order"]
    copies = [AttributeProto.FromString(each.SerializeToString()) for each in kept]
    del step.node.attribute[:]
    step.node.attribute.extend(copies)


def average_pool(step: Backward) -> Gradients:
    """Distribute every gradient evenly over its window."""
    with_pads = bool(step.attributes.get("count_include_pad", 0))
    windows = windows_of(step, step.attributes["kernel_shape"])
    incoming = value(step, step.gradient)
    for axis, counts in enumerate(windows.counts(with_pads=with_pads)):
        shape = [1] * len(windows.axes)
        shape[axis] = len(counts)
        even = len(set(counts.tolist())) == 1
        incoming = incoming * (1 / counts[0] if even else _constant(step, (1 / counts).reshape(shape)))
    return (_spread(step, windows, incoming),)


def lp_pool(step: Backward) -> Gradients:
    """``|x|**(p - 1) * sign(x) / y**(p - 1)``, and 0 where all of a window is 0."""
    windows = windows_of(step, step.attributes["kernel_shape"])
    back = Value(step.builder, _spread(step, windows, _of_norm(step)))
    return ((back * _of_element(step)).name,)


def global_lp_pool(step: Backward) -> Gradients:
    return ((_of_norm(step) * _of_element(step)).name,)


def _of_norm(step: Backward) -> Value:
    y, power = value(step, step.output()), step.attributes.get("p", 2)
    if power == 1:
        return value(step, step.gradient)
    return y.equals(0.0).where(0.0, value(step, step.gradient) / _power(y, power - 1))


def _of_element(step: Backward) -> Value:
    x, power = value(step, step.inputs[0]), step.attributes.get("p", 2)
    if power <= 2:
        return x if power == 2 else x.call("Sign")
    return x * _power(x.call("Abs"), power - 2)


def _power(base: Value, power: int) -> Value:
    return base if power == 1 else base**power


def global_average_pool(step: Backward) -> Gradients:
    shape = step.shape()
    back = value(step, step.gradient) * (1 / math.prod(shape[2:]))
    return (step.op("Expand", back.name, step.ints(*shape)),)


def global_max_pool(step: Backward) -> Gradients:
    """Where the maximum was found first."""
    shape = step.shape()
    flat = step.reshape(step.inputs[0], (*shape[:2], -1))
    first = step.op("ArgMax", flat, axis=2, keepdims=1)
    found = step.op("Equal", step.builder.range(math.prod(shape[2:])), first)
    back = step.op("Where", found, step.reshape(step.gradient, (*shape[:2], 1)), step.const(0.0))
    return (step.reshape(back, shape),)


def _constant(step: Backward, array: NDArray[np.float64]) -> Value:
    return value(step, step.const(array))


def _spread(step: Backward, windows: Windows, incoming: Value) -> str:
    """Add the value of each window to all positions that it reads, channel by channel."""
    batch, channels, *space = step.output_shape()
    flat = step.reshape(incoming.name, (batch * channels, 1, *space))
    ones = step.const(np.ones((1, 1, *(axis.kernel for axis in windows.axes))))
    return step.reshape(windows.transposed(step, flat, ones), step.shape())


def rule() -> Family:
    return standard(
        MaxPool=max_pool,
        AveragePool=average_pool,
        LpPool=lp_pool,
        GlobalAveragePool=global_average_pool,
        GlobalMaxPool=global_max_pool,
        GlobalLpPool=global_lp_pool,
    )
