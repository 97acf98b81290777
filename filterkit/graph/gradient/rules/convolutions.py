"""Gradients of convolutions, plain and transposed: each is computed by the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from filterkit.geometry import same_pad
from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


class Window(NamedTuple):
    """How a convolution slides, one value per spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


def conv(step: Backward) -> Gradients:
    """The gradient of the input is the transposed convolution of the incoming one with the same weights.

    For stride 1 that is a convolution with the flipped, transposed weights, which is faster.
    """
    window, group = _window(step), step.attributes.get("group", 1)
    if step.needed[1]:
        raise step.unsupported("its weights depend on the input")
    bias = None
    if step.has(2) and step.needed[2]:
        bias = step.reduce("ReduceSum", step.gradient, _all_but_channels(step), keepdims=False)
    if not step.needed[0]:
        return None, None, bias
    spread = [(size - 1) * step_ for size, step_ in zip(window.kernel, window.dilations, strict=True)]
    pads = [*(wide - pad for wide, pad in zip(spread, window.before, strict=True))]
    ends = [*(wide - pad for wide, pad in zip(spread, window.after, strict=True))]
    if set(window.strides) == {1} and min(pads + ends) >= 0:
        back = step.op(
            "Conv",
            step.gradient,
            _transposed_weights(step, group),
            kernel_shape=window.kernel,
            dilations=window.dilations,
            group=group,
            pads=pads + ends,
        )
        return back, None, bias
    sizes = zip(
        step.shape()[2:],
        step.output_shape()[2:],
        window.strides,
        spread,
        window.before,
        window.after,
        strict=True,
    )
    rest = [size - ((out - 1) * stride + wide + 1 - pad - end) for size, out, stride, wide, pad, end in sizes]
    back = step.op(
        "ConvTranspose",
        step.gradient,
        step.inputs[1],
        kernel_shape=window.kernel,
        strides=window.strides,
        dilations=window.dilations,
        group=group,
        pads=[*window.before, *window.after],
        output_padding=rest,
    )
    return back, None, bias


def _all_but_channels(step: Backward) -> list[int]:
    return [axis for axis in range(len(step.output_shape())) if axis != 1]


def _window(step: Backward) -> Window:
    given, space = step.attributes, step.shape()[2:]
    kernel = tuple(given.get("kernel_shape") or step.shape(1)[2:])
    strides = tuple(given.get("strides") or [1] * len(space))
    dilations = tuple(given.get("dilations") or [1] * len(space))
    pads = list(given.get("pads") or [0] * (2 * len(space)))
    auto = given.get("auto_pad", "NOTSET")
    if auto == "VALID":
        pads = [0] * len(pads)
    elif auto.startswith("SAME"):
        for axis, size in enumerate(space):
            wide = dilations[axis] * (kernel[axis] - 1) + 1
            outputs = -(-size // strides[axis])
            total = max((outputs - 1) * strides[axis] + wide - size, 0)
            upper = auto == "SAME_UPPER"
            pads[axis] = same_pad(size, kernel[axis], strides[axis], dilations[axis], upper=upper)
            pads[axis + len(space)] = total - pads[axis]
    return Window(kernel, strides, dilations, tuple(pads[: len(space)]), tuple(pads[len(space) :]))


def _transposed_weights(step: Backward, group: int) -> str:
    """Weights with input and output channels exchanged within each group, and every kernel flipped."""
    outputs, inputs, *kernel = step.shape(1)
    weights = step.inputs[1]
    space = range(3, 3 + len(kernel))
    if group > 1:
        weights = step.reshape(weights, (group, outputs // group, inputs, *kernel))
        weights = step.op("Transpose", weights, perm=[0, 2, 1, *space])
        weights = step.reshape(weights, (group * inputs, outputs // group, *kernel))
    else:
        weights = step.op("Transpose", weights, perm=[1, 0, *range(2, 2 + len(kernel))])
    axes = [axis for axis, size in enumerate(kernel, 2) if size > 1]
    if not axes:
        return weights
    last, past = step.ints(*[-1] * len(axes)), step.ints(*[np.iinfo(np.int64).min] * len(axes))
    return step.op("Slice", weights, last, past, step.ints(*axes), last)


def rule() -> Family:
    return standard(Conv=conv)
