"""Operators that onnx's evaluator does not implement, or implements differently from their definition.

Each function takes the inputs (None for omitted ones), the attributes, and the opset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]


def mean(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Mean with broadcasting."""
    total = inputs[0]
    for value in inputs[1:]:
        total = total + value
    return (total / len(inputs)).astype(inputs[0].dtype)


def lp_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """LpNormalization; the evaluator's 1-norm does not take absolute values."""
    x, axis, order = inputs[0], values.get("axis", -1), values.get("p", 2)
    norm = np.linalg.norm(x, 1, axis, keepdims=True) if order == 1 else _euclidean(x, axis)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


def _euclidean(x: Any, axis: int) -> Any:
    return np.sqrt(np.sum(x * x, axis, keepdims=True))


def global_lp_pool(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GlobalLpPool over all spatial axes."""
    x, order = inputs[0], values.get("p", 2)
    space = tuple(range(2, x.ndim))
    return (np.sum(np.abs(x) ** order, space, keepdims=True) ** (1 / order)).astype(x.dtype)


def lrn(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """LRN; a window of even size reaches one channel further after the current one than before it."""
    x, size = inputs[0], values["size"]
    squares = np.zeros_like(x)
    for channel in range(x.shape[1]):
        first, last = channel - (size - 1) // 2, channel + size // 2
        squares[:, channel] = np.sum(x[:, max(first, 0) : last + 1] ** 2, 1)
    factor = values.get("alpha", 1e-4) / size
    base = values.get("bias", 1.0) + factor * squares
    return (x / base ** values.get("beta", 0.75)).astype(x.dtype)


def gather_elements(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GatherElements with indices that are smaller than the data along other axes than `axis`."""
    data, indices = inputs[:2]
    axis = values.get("axis", 0) % data.ndim
    if indices.ndim != data.ndim:
        raise ValueError("indices with a different number of axes")
    cut = tuple(slice(None if at == axis else size) for at, size in enumerate(indices.shape))
    return np.take_along_axis(data[cut], indices, axis)


def batch_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """BatchNormalization before opset 14, where more than one output means training."""
    x, *parameters = inputs[:5]
    if not values.get("spatial", 1):
        raise ValueError("spatial=0, which opset 9 removed")
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale, shift, average, variance = (value.reshape(shape) for value in parameters)
    epsilon = np.asarray(values.get("epsilon", 1e-5), x.dtype)
    return ((x - average) / np.sqrt(variance + epsilon) * scale + shift).astype(x.dtype)


def group_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """GroupNormalization, with scale and shift per group before opset 21, and per channel from then on."""
    x, scale, shift = inputs[:3]
    groups, channels = values["num_groups"], x.shape[1]
    rows = x.reshape(x.shape[0], groups, -1).astype(np.float32)
    rows = rows - rows.mean(-1, keepdims=True)
    rows = rows / np.sqrt((rows * rows).mean(-1, keepdims=True) + np.float32(values.get("epsilon", 1e-5)))
    if opset < 21:
        scale, shift = (np.repeat(value, channels // groups) for value in (scale, shift))
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return (rows.reshape(x.shape).astype(x.dtype) * scale.reshape(shape) + shift.reshape(shape)).astype(
        x.dtype
    )


def pad(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Pad, also with negative pads, which crop."""
    x, pads, filling, axes = (*inputs, None, None, None)[:4]
    pads = (values["pads"] if pads is None else pads.tolist())[:]
    chosen = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes.tolist()]
    if len(pads) != 2 * len(chosen):
        raise ValueError("pads for a different number of axes")
    cut, width = [slice(None)] * x.ndim, [(0, 0)] * x.ndim
    for axis, begin, end in zip(chosen, pads[: len(chosen)], pads[len(chosen) :], strict=True):
        cut[axis] = slice(max(-begin, 0), max(x.shape[axis] + min(end, 0), 0))
        width[axis] = (max(begin, 0), max(end, 0))
    mode = values.get("mode", "constant")
    if mode != "constant":
        return np.pad(x[tuple(cut)], width, mode)
    filling = values.get("value", 0) if filling is None else filling.reshape(())
    return np.pad(x[tuple(cut)], width, constant_values=filling).astype(x.dtype)


def unique(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Unique, in order of first occurrence if `sorted` is 0."""
    axis = values.get("axis")
    made, first, back, counts = np.unique(inputs[0], True, True, True, axis=axis)
    if not values.get("sorted", 1):
        order = np.argsort(first)
        made = made[order] if axis is None else np.take(made, order, axis)
        first, back, counts = first[order], np.argsort(order)[back.reshape(-1)], counts[order]
    return made, first, back.reshape(-1), counts


FIXED: Mapping[str, Callable[[Inputs, Attributes, int], Any]] = {
    "Mean": mean,
    "LpNormalization": lp_normalization,
    "GlobalLpPool": global_lp_pool,
    "LRN": lrn,
    "GatherElements": gather_elements,
    "GroupNormalization": group_normalization,
    "Pad": pad,
    "Unique": unique,
}
"""By operator, for every opset."""

FIXED_BEFORE: Mapping[str, tuple[int, Callable[[Inputs, Attributes, int], Any]]] = {
    "BatchNormalization": (14, batch_normalization)
}
"""By operator, for opsets before the given one."""


def fixed_operator(operator: str, opset: int) -> Callable[[Inputs, Attributes, int], Any] | None:
    """The function that replaces onnx's evaluator for an operator, if there is one."""
    before, function = FIXED_BEFORE.get(operator, (0, None))
    return function if opset < before else FIXED.get(operator)
