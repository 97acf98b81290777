"""Gradients of operators that take elements by their indices: each is added where it was taken from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard

MOST_REPETITIONS = 4
"""How often an index may be taken before scattering is faster than a sum of as many gathered tensors."""

LONGEST_AXIS = 2**24
"""For which the graph may contain indices."""


def slice_(step: Backward) -> Gradients:
    shape = step.shape()
    starts, ends = _integers(step, 1), _integers(step, 2)
    axes = _integers(step, 3) if step.has(3) else range(len(starts))
    steps = _integers(step, 4) if step.has(4) else [1] * len(starts)
    gradient = step.gradient
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        taken = range(shape[axis])[start:end:stride]
        gradient = added(step, gradient, axis % len(shape), taken, shape[axis])
    return (gradient,)


def pad(step: Backward) -> Gradients:
    """Of padding by repetition, the gradients of all copies of an element are added."""
    if len(step.needed) > 2 and step.needed[2]:
        raise step.unsupported("the padding value depends on the input")
    shape, pads = step.shape(), _integers(step, 1)
    axes = _integers(step, 3) if step.has(3) else range(len(shape))
    mode = step.attributes.get("mode", "constant")
    before, after = [0] * len(shape), [0] * len(shape)
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[place + len(axes)]
    if mode == "constant":
        return (step.op("Pad", step.gradient, step.ints(*(-wide for wide in before + after))),)
    gradient = step.gradient
    for axis, size in enumerate(shape):
        if before[axis] or after[axis]:
            if size + before[axis] + after[axis] > LONGEST_AXIS:
                raise step.unsupported(f"it pads an axis of length {size:,}")
            indices = np.arange(size)[max(-before[axis], 0) : size - max(-after[axis], 0)]
            indices = np.pad(indices, (max(before[axis], 0), max(after[axis], 0)), mode)
            gradient = added(step, gradient, axis, indices, size)
    return (gradient,)


def gather(step: Backward) -> Gradients:
    shape, count = step.shape(), len(step.shape(1))
    axis = step.attributes.get("axis", 0) % len(shape)
    indices = step.constant(1)
    if indices is not None and _most_frequent(indices % shape[axis]) <= MOST_REPETITIONS:
        flat = step.reshape(step.gradient, (*shape[:axis], indices.size, *shape[axis + 1 :]))
        return (added(step, flat, axis, indices.ravel() % shape[axis], shape[axis]),)
    return (scattered_along(step, step.gradient, axis, step.inputs[1], shape, count),)


def gather_elements(step: Backward) -> Gradients:
    return (_add_elements(step, step.inputs[1], step.gradient, step.attributes.get("axis", 0)),)


def gather_nd(step: Backward) -> Gradients:
    """With batch axes, the position along each of them precedes the indices."""
    indices, batch = step.inputs[1], step.attributes.get("batch_dims", 0)
    if batch:
        index_shape = step.shape(1)
        grid = np.moveaxis(np.indices(index_shape[:batch]), 0, -1)
        grid = grid.reshape(*index_shape[:batch], *[1] * (len(index_shape) - 1 - batch), batch)
        places = step.const(np.broadcast_to(grid, (*index_shape[:-1], batch)).astype(np.int64))
        indices = step.op("Concat", places, indices, axis=-1)
    return (_scattered(step, step.shape(), indices, step.gradient),)


def scatter_nd(step: Backward) -> Gradients:
    indices, kept = step.inputs[1], _unless_added(step)
    if kept is None:
        kept = step.op("ScatterND", step.gradient, indices, _zeros(step, step.shape(2)))
    return kept, None, step.op("GatherND", step.gradient, indices)


def scatter_elements(step: Backward) -> Gradients:
    indices, axis, kept = step.inputs[1], step.attributes.get("axis", 0), _unless_added(step)
    if kept is None:
        kept = step.op("ScatterElements", step.gradient, indices, _zeros(step, step.shape(2)), axis=axis)
    return kept, None, step.op("GatherElements", step.gradient, indices, axis=axis)


def top_k(step: Backward) -> Gradients:
    return (_add_elements(step, step.output(1), step.gradient, step.attributes.get("axis", -1)),)


def trilu(step: Backward) -> Gradients:
    return (step.op("Trilu", step.gradient, *step.inputs[1:], upper=step.attributes.get("upper", 1)),)


def added(step: Backward, gradient: str, axis: int, indices: range | NDArray[Any], size: int) -> str:
    """The gradient of an axis of length `size`, from which `indices` were taken, some of them repeatedly.

    For each occurrence of an index there is one Gather of its gradient, or of a zero behind the last one.
    """
    count, ahead, rank = len(indices), [0] * axis, len(step.shape())
    behind = [0] * (rank - axis - 1)
    if count == size and isinstance(indices, range) and indices.step > 0:
        return gradient
    if isinstance(indices, range) and indices.step == 1 and count:
        before, after = [*ahead, indices[0], *behind], [*ahead, size - indices[0] - count, *behind]
        return step.op("Pad", gradient, step.ints(*before, *after))
    if max(size, count) > LONGEST_AXIS:
        raise step.unsupported(f"it takes elements of an axis of length {size:,}")
    taken = np.asarray(indices, np.int64)
    padded = step.op("Pad", gradient, step.ints(*[0] * rank, *ahead, 1, *behind))
    order = np.argsort(taken, kind="stable")
    occurrence = np.arange(count) - np.searchsorted(taken[order], taken[order])
    terms = []
    for number in range(int(occurrence.max(initial=0)) + 1):
        places = np.full(size, count)
        chosen = order[occurrence == number]
        places[taken[chosen]] = chosen
        terms.append(step.op("Gather", padded, step.const(places), axis=axis))
    return step.builder.total(terms)


def scattered_along(
    step: Backward, gradient: str, axis: int, indices: str, shape: Sequence[int], count: int = 1
) -> str:
    """As `added`, for indices that the graph computes: a tensor with `count` axes in the place of `axis`."""
    rank = len(shape) - 1 + count
    order = [*range(axis, axis + count), *range(axis), *range(axis + count, rank)]
    updates = step.op("Transpose", gradient, perm=order)
    places = step.op("Unsqueeze", indices, step.ints(-1))
    whole = _scattered(step, (shape[axis], *shape[:axis], *shape[axis + 1 :]), places, updates)
    back = [*range(1, axis + 1), 0, *range(axis + 1, len(shape))]
    return step.op("Transpose", whole, perm=back)


def _most_frequent(indices: NDArray[Any]) -> int:
    return int(np.bincount(indices.ravel()).max(initial=0))


def _integers(step: Backward, place: int) -> Sequence[int]:
    found = step.constant(place)
    if found is None:
        raise step.unsupported("the positions that it takes depend on the input")
    return [int(number) for number in found.ravel()]


def _zeros(step: Backward, shape: Sequence[int]) -> str:
    return step.op("Expand", step.const(0.0), step.ints(*shape))


def _scattered(step: Backward, shape: Sequence[int], indices: str, updates: str) -> str:
    return step.builder.scatter("ScatterND", _zeros(step, shape), indices, updates)


def _add_elements(step: Backward, indices: str, updates: str, axis: int) -> str:
    zeros = _zeros(step, step.shape())
    return step.builder.scatter("ScatterElements", zeros, indices, updates, axis=axis)


def _unless_added(step: Backward) -> str | None:
    """The gradient of data to which updates were added; None if these replaced it."""
    reduction = step.attributes.get("reduction", "none")
    if reduction not in ("none", "add"):
        raise step.unsupported(f"its reduction is '{reduction}'")
    return step.gradient if reduction == "add" else None


def rule() -> Family:
    return standard(
        Slice=slice_,
        Pad=pad,
        Gather=gather,
        GatherElements=gather_elements,
        GatherND=gather_nd,
        ScatterND=scatter_nd,
        ScatterElements=scatter_elements,
        TopK=top_k,
        Trilu=trilu,
    )
