"""Gradients of convolutions, plain and transposed: each is computed by the other."""

from __future__ import annotations

import numpy as np

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.sliding_windows import windows_of


def conv(step: Backward) -> Gradients:
    """The gradient of the input is the transposed convolution of the incoming one with the same weights."""
    step.refuse(1, what="its weights depend on the input")
    if not step.needed[0]:
        return None, None, _of_bias(step)
    group = step.attributes.get("group", 1)
    back = windows_of(step, step.shape(1)[2:]).transposed(
        step,
        step.gradient,
        step.inputs[1],
        group=group,
        flipped=lambda: _flipped_weights(step, group),
    )
    return back, None, _of_bias(step)


def conv_transpose(step: Backward) -> Gradients:
    """The gradient of the input is the convolution of the incoming one with the same weights."""
    step.refuse(1, what="its weights depend on the input")
    given, sizes, outputs = step.attributes, step.shape()[2:], step.output_shape()[2:]
    kernel, rank = step.shape(1)[2:], len(sizes)
    strides, dilations = given.get("strides") or [1] * rank, given.get("dilations") or [1] * rank
    before, after = _transposed_pads(step, kernel, strides, dilations)
    incoming = step.gradient
    if min(after, default=0) < 0:  # positions at the end that no tap reaches, with output_padding
        ends = [size + min(pad, 0) for size, pad in zip(outputs, after, strict=True)]
        starts, axes = step.ints(*[0] * rank), step.ints(*range(2, 2 + rank))
        incoming = step.op("Slice", incoming, starts, step.ints(*ends), axes)
    back = step.op(
        "Conv",
        incoming,
        step.inputs[1],
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        group=given.get("group", 1),
        pads=[*before, *(max(pad, 0) for pad in after)],
    )
    return back, None, _of_bias(step)


def _of_bias(step: Backward) -> str | None:
    if not (step.has(2) and step.needed[2]):
        return None
    axes = [axis for axis in range(len(step.output_shape())) if axis != 1]
    return step.reduce("ReduceSum", step.gradient, axes, keepdims=False)


def _flipped_weights(step: Backward, group: int) -> str:
    """Weights with input and output channels exchanged within each group, and every kernel flipped."""
    outputs, inputs, *kernel = step.shape(1)
    weights = step.inputs[1]
    if group > 1:
        weights = step.reshape(weights, (group, outputs // group, inputs, *kernel))
        weights = step.op("Transpose", weights, perm=[0, 2, 1, *range(3, 3 + len(kernel))])
        weights = step.reshape(weights, (group * inputs, outputs // group, *kernel))
    else:
        weights = step.op("Transpose", weights, perm=[1, 0, *range(2, 2 + len(kernel))])
    axes = [axis for axis, size in enumerate(kernel, 2) if size > 1]
    if not axes:
        return weights
    backwards = step.ints(*[-1] * len(axes))
    ends = step.ints(*[np.iinfo(np.int64).min] * len(axes))
    return step.op("Slice", weights, backwards, ends, step.ints(*axes), backwards)


def _transposed_pads(
    step: Backward, kernel: tuple[int, ...], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """The padding that makes a convolution of the output have the size of the input."""
    given, rank = step.attributes, len(kernel)
    pads = list(given.get("pads") or [0] * (2 * rank))
    auto = given.get("auto_pad", "NOTSET")
    padding = given.get("output_padding") or [0] * rank
    before, after = [], []
    for axis, (size, outputs) in enumerate(zip(step.shape()[2:], step.output_shape()[2:], strict=True)):
        whole = strides[axis] * (size - 1) + dilations[axis] * (kernel[axis] - 1) + 1
        total = whole + padding[axis] - outputs
        if given.get("output_shape") or auto.startswith("SAME"):
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
        else:
            first = 0 if auto == "VALID" else pads[axis]
        before.append(first)
        after.append(whole - outputs - first)
    return before, after


def rule() -> Family:
    return standard(Conv=conv, ConvTranspose=conv_transpose)
