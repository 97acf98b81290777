"""Weights and biases of matrix products as arrays."""

from __future__ import annotations

from typing import Any

import filterkit
import numpy as np
from numpy.typing import NDArray

from filterkit_dense.product import Product

Floats = NDArray[np.floating[Any]]


def read_weight(graph: filterkit.GraphView, product: Product, *, codes: bool) -> Floats:
    """The weight as (outputs, inputs): float32, or float16 if stored so, including its factor and scale.

    Raises
    ------
    Unresolved
        If it is not a matrix of real numbers.
    """
    stored = read_numbers(graph, product.weight, codes=codes)
    if stored.ndim > 2 and set(stored.shape[:-2]) == {1}:
        stored = stored.reshape(stored.shape[-2:])
    if stored.ndim != 2:
        many = f"{int(np.prod(stored.shape[:-2]))} matrices" if stored.ndim > 2 else "not a matrix"
        raise filterkit.Unresolved(
            f"the weight is {many}, of shape {'×'.join(map(str, stored.shape)) or 'none'}"
        )
    matrix = _decoded(graph, product, stored) if codes else stored
    matrix = np.ascontiguousarray(matrix if product.outputs_first else matrix.T, float_of(matrix.dtype))
    return matrix if product.alpha == 1 else matrix * matrix.dtype.type(product.alpha)


def read_numbers(graph: filterkit.GraphView, weight: str, *, codes: bool = False) -> NDArray[Any]:
    """A weight as stored: real numbers, or quantized codes.

    Raises
    ------
    Unresolved
        If it is neither, or empty.
    """
    stored = graph.constant(weight)
    if stored.dtype.kind in "OSUcb" or (stored.dtype.kind in "iu" and not codes):
        raise filterkit.Unresolved(f"the weight is of type {stored.dtype}, which is not supported")
    if 0 in stored.shape:
        raise filterkit.Unresolved("the weight is empty")
    return stored


def float_of(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """The type in which a catalog stores numbers of `dtype`."""
    return np.float16 if dtype == np.float16 else np.float32


def _decoded(graph: filterkit.GraphView, product: Product, codes: NDArray[Any]) -> NDArray[np.float32]:
    """Codes minus their zero point, times their scale; one of each for all outputs, or one per output."""
    values = codes.astype(np.float32)
    axis = 0 if product.outputs_first else 1
    for name, combine in ((product.zero, np.subtract), (product.scale, np.multiply)):
        if not name:
            continue
        if not graph.is_constant(name):
            raise filterkit.Unresolved("the weight's scale or zero point is computed at run time")
        part = graph.constant(name).astype(np.float32).ravel()
        if part.size not in (1, codes.shape[axis]):
            raise filterkit.Unresolved("the weight's scale or zero point does not match its shape")
        values = combine(values, part if axis else part[:, np.newaxis])
    return values


def read_bias(graph: filterkit.GraphView, product: Product, outputs: int) -> Floats | None:
    """Gemm's bias, one value per output; None if nothing, or anything else, is added."""
    if not product.bias or not graph.is_constant(product.bias):
        return None
    stored = graph.constant(product.bias)
    axis = (0 if product.left else 1) - 2 + stored.ndim  # aligned at the right, as in broadcasting
    others = [size for place, size in enumerate(stored.shape) if place != axis]
    length = stored.shape[axis] if 0 <= axis < stored.ndim else 1
    if stored.dtype.kind != "f" or set(others) - {1} or length not in (1, outputs):
        return None
    bias = np.broadcast_to(stored.astype(float_of(stored.dtype)).ravel(), (outputs,))
    return bias if product.beta == 1 else bias * bias.dtype.type(product.beta)
