"""Gradients of resizing, which is linear along each axis: a product with the transposed matrix of the axis.

The matrix of an axis is obtained by resizing an identity with the same operator, whatever its mode is; as
the result is constant, ONNX Runtime computes it once, when it opens the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.rules.indexing import scattered_along
from filterkit.graph.loading.names import shown

SAME_FOR_EVERY_AXIS = (
    "antialias",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "mode",
    "nearest_mode",
)
"""Attributes of Resize that its matrices depend on; with extrapolation, the values outside are constant."""


LARGEST_MATRIX = 2**24
"""Elements. Longer axes are rare: those of sounds."""

EXACT = 2**24
"""Up to this number, float32 has all integers."""


class Along(NamedTuple):
    """How one axis is resized: by a scale, or to a given size; from a region, by default the whole."""

    scale: float | None
    start: float
    end: float

    @property
    def crops(self) -> bool:
        return (self.start, self.end) != (0, 1)


def resize(step: Backward) -> Gradients:
    policy = step.attributes.get("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch" and step.has(3):
        raise step.unsupported(f"its keep_aspect_ratio_policy '{shown(policy)}' is not supported")
    gradient, shape = step.gradient, list(step.output_shape())
    for axis, along in _resized_axes(step).items():
        before, after = step.shape()[axis], shape[axis]
        shape[axis] = before
        if before * after <= LARGEST_MATRIX:
            gradient = _times_transposed(step, gradient, axis, _matrix(step, axis, along))
        elif step.attributes.get("mode", "nearest") == "nearest" and before <= EXACT and not along.crops:
            gradient = scattered_along(step, gradient, axis, _nearest(step, axis, along), shape)
        else:
            raise step.unsupported(f"it resizes an axis from {before:,} to {after:,}")
    return (gradient,)


def _resized_axes(step: Backward) -> dict[int, Along]:
    rank = len(step.shape())
    axes = [axis % rank for axis in step.attributes.get("axes") or range(rank)]
    scales = _numbers(step, 2)
    crops = step.attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    region = _numbers(step, 1) if crops and step.has(1) else []
    found = {}
    for place, axis in enumerate(axes):
        along = Along(
            scale=scales[place] if scales else None,
            start=region[place] if region else 0.0,
            end=region[place + len(axes)] if region else 1.0,
        )
        same = step.shape()[axis] == step.output_shape()[axis] and along.scale in (None, 1)
        if not same or along.crops:
            found[axis] = along
    return found


def _numbers(step: Backward, place: int) -> Sequence[float]:
    if not step.has(place):
        return []
    found = step.constant(place)
    if found is None:
        raise step.unsupported("its size depends on values of the input")
    return [float(number) for number in found.ravel()]


def _matrix(step: Backward, axis: int, along: Along) -> str:
    """The matrix that resizes an axis, of shape (size before, size after), computed in float32."""
    before, after = step.shape()[axis], step.output_shape()[axis]
    identity = step.op("EyeLike", step.op("ConstantOfShape", step.ints(before, before)))
    row = step.reshape(identity, (1, 1, before, before))
    matrix = step.reshape(_resized(step, row, after, along), (before, after))
    return step.op("CastLike", matrix, step.gradient)


def _nearest(step: Backward, axis: int, along: Along) -> str:
    """The indices that resizing takes along an axis: those of which it makes a resized list."""
    before, after = step.shape()[axis], step.output_shape()[axis]
    limits = (step.const(np.int64(limit)) for limit in (0, before, 1))
    places = step.op("Cast", step.op("Range", *limits), to=TensorProto.FLOAT)
    resized = _resized(step, step.reshape(places, (1, 1, 1, before)), after, along)
    return step.op("Cast", step.reshape(resized, (after,)), to=TensorProto.INT64)


def _resized(step: Backward, tensor: str, after: int, along: Along) -> str:
    """Resize the last of the four axes of a tensor, as the operator resizes one of its axes."""
    region = step.op("Constant", value_floats=[0.0, 0.0, 0.0, along.start, 1.0, 1.0, 1.0, along.end])
    if along.scale is None:
        shape = step.op("Shape", tensor, end=3)
        size = ["", step.op("Concat", shape, step.ints(after), axis=0)]
    else:
        size = [step.op("Constant", value_floats=[1.0, 1.0, 1.0, along.scale])]
    given = {name: step.attributes[name] for name in SAME_FOR_EVERY_AXIS if name in step.attributes}
    return step.op("Resize", tensor, region, *size, extrapolation_value=0.0, **given)


def _times_transposed(step: Backward, gradient: str, axis: int, matrix: str) -> str:
    """Multiply along an axis, which is moved to one of the last two for this."""
    rank = len(step.shape())
    if axis == rank - 2:
        return step.op("MatMul", matrix, gradient)
    if axis == rank - 1:
        return step.op("MatMul", gradient, step.op("Transpose", matrix, perm=[1, 0]))
    order = [other for other in range(rank) if other != axis]
    order.insert(rank - 2, axis)
    moved = step.op("MatMul", matrix, step.op("Transpose", gradient, perm=order))
    return step.op("Transpose", moved, perm=sorted(range(rank), key=order.__getitem__))


def rule() -> Family:
    return standard(Resize=resize)
