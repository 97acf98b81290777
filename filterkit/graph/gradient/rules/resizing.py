"""Gradients of resizing, which is linear along each axis: a product with the transposed matrix of the axis.

The matrix of an axis is obtained by resizing an identity with the same operator, whatever its mode is; as
the result is constant, ONNX Runtime computes it once, when it opens the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard

SAME_FOR_EVERY_AXIS = (
    "antialias",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "mode",
    "nearest_mode",
)
"""Attributes of Resize that its matrices depend on; with extrapolation, the values outside are constant."""


class Along(NamedTuple):
    """How one axis is resized: by a scale, or to a given size; from a region, by default the whole."""

    scale: float | None
    start: float
    end: float


def resize(step: Backward) -> Gradients:
    if step.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch" and step.has(3):
        raise step.unsupported("it keeps the aspect ratio of a given size")
    gradient = step.gradient
    for axis, along in _resized_axes(step).items():
        gradient = _times_transposed(step, gradient, axis, _matrix(step, axis, along))
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
        if not same or (along.start, along.end) != (0, 1):
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
    region = step.op("Constant", value_floats=[0.0, 0.0, 0.0, along.start, 1.0, 1.0, 1.0, along.end])
    if along.scale is None:
        size = ["", step.ints(1, 1, before, after)]
    else:
        size = [step.op("Constant", value_floats=[1.0, 1.0, 1.0, along.scale])]
    given = {name: step.attributes[name] for name in SAME_FOR_EVERY_AXIS if name in step.attributes}
    resized = step.op("Resize", row, region, *size, extrapolation_value=0.0, **given)
    return step.op("CastLike", step.reshape(resized, (before, after)), step.gradient)


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
