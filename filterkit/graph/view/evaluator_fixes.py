"""Operators that onnx's evaluator does not compute, or computes otherwise than ONNX defines them.

Each function takes the inputs, None for those left out, the attributes, and the opset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]


def mean(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """With broadcasting, as any sum of tensors."""
    total = inputs[0]
    for value in inputs[1:]:
        total = total + value
    return (total / len(inputs)).astype(inputs[0].dtype)


def lp_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """A norm of absolute values."""
    x, axis, order = inputs[0], values.get("axis", -1), values.get("p", 2)
    norm = np.linalg.norm(x, 1, axis, keepdims=True) if order == 1 else _euclidean(x, axis)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


def _euclidean(x: Any, axis: int) -> Any:
    return np.sqrt(np.sum(x * x, axis, keepdims=True))


def global_lp_pool(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Over all axes of space."""
    x, order = inputs[0], values.get("p", 2)
    space = tuple(range(2, x.ndim))
    return (np.sum(np.abs(x) ** order, space, keepdims=True) ** (1 / order)).astype(x.dtype)


def lrn(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Over the channels around each, of which there are as many before as behind, and one more behind."""
    x, size = inputs[0], values["size"]
    squares = np.zeros_like(x)
    for channel in range(x.shape[1]):
        first, last = channel - (size - 1) // 2, channel + size // 2
        squares[:, channel] = np.sum(x[:, max(first, 0) : last + 1] ** 2, 1)
    factor = values.get("alpha", 1e-4) / size
    base = values.get("bias", 1.0) + factor * squares
    return (x / base ** values.get("beta", 0.75)).astype(x.dtype)


def gather_elements(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Indices may be fewer than there are elements, along the other axes too."""
    data, indices = inputs[:2]
    axis = values.get("axis", 0) % data.ndim
    if indices.ndim != data.ndim:
        raise ValueError("indices of another number of axes")
    cut = tuple(slice(None if at == axis else size) for at, size in enumerate(indices.shape))
    return np.take_along_axis(data[cut], indices, axis)


def batch_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Before opset 14 it says by its number of outputs whether it is in training."""
    x, *parameters = inputs[:5]
    if not values.get("spatial", 1):
        raise ValueError("one scale per element, which opset 9 has given up")
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale, shift, average, variance = (value.reshape(shape) for value in parameters)
    epsilon = np.asarray(values.get("epsilon", 1e-5), x.dtype)
    return ((x - average) / np.sqrt(variance + epsilon) * scale + shift).astype(x.dtype)


def group_normalization(inputs: Inputs, values: Attributes, opset: int) -> Any:
    """Before opset 21 scale and shift are of groups, then of channels."""
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
    """Pads may be negative, and cut then."""
    x, pads, filling, axes = (*inputs, None, None, None)[:4]
    pads = (values["pads"] if pads is None else pads.tolist())[:]
    chosen = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes.tolist()]
    if len(pads) != 2 * len(chosen):
        raise ValueError("pads of another number of axes")
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
    """In the order in which they come, where `sorted` is 0."""
    axis = values.get("axis")
    made, first, back, counts = np.unique(inputs[0], True, True, True, axis=axis)
    if not values.get("sorted", 1):
        order = np.argsort(first)
        made = made[order] if axis is None else np.take(made, order, axis)
        first, back, counts = first[order], np.argsort(order)[back.reshape(-1)], counts[order]
    return made, first, back.reshape(-1), counts


AMENDED: Mapping[str, Callable[[Inputs, Attributes, int], Any]] = {
    "Mean": mean,
    "LpNormalization": lp_normalization,
    "GlobalLpPool": global_lp_pool,
    "LRN": lrn,
    "GatherElements": gather_elements,
    "GroupNormalization": group_normalization,
    "Pad": pad,
    "Unique": unique,
}
"""In every opset."""

AMENDED_BEFORE: Mapping[str, tuple[int, Callable[[Inputs, Attributes, int], Any]]] = {
    "BatchNormalization": (14, batch_normalization)
}
"""In opsets before one."""


def amended(operator: str, opset: int) -> Callable[[Inputs, Attributes, int], Any] | None:
    """What computes an operator instead of onnx's evaluator."""
    before, function = AMENDED_BEFORE.get(operator, (0, None))
    return function if opset < before else AMENDED.get(operator)
