"""Operators that reckon: position by position, or over whole axes at once."""

from __future__ import annotations

from filterkit.graph.rules.step import Step, Untraceable
from filterkit.graph.tracks import Tracks, joined


def elementwise(step: Step) -> Tracks:
    ranks = [len(tracks.axes) for tracks in step.tracks.values()]
    shape = step.made()
    return joined(list(step.tracks.values()), max([*ranks, len(shape) if shape is not None else 0]))


def reduction(step: Step) -> Tracks:
    tracks = step.first()
    axes = step.numbers(1, "axes")
    if not axes:
        if axes is not None and step.values.get("noop_with_empty_axes"):
            return tracks
        axes = list(range(len(tracks.axes)))
    return tracks.lost(axes, keep=bool(step.values.get("keepdims", 1)))


def arg_reduction(step: Step) -> Tracks:
    return step.first().lost([step.values.get("axis", 0)], keep=bool(step.values.get("keepdims", 1)))


def whole_space(step: Step) -> Tracks:
    """Global poolings: every spatial axis shrinks to one value."""
    tracks = step.first()
    return tracks.lost(range(2, len(tracks.axes)))


def instance_norm(step: Step) -> Tracks:
    tracks = step.first()
    return tracks.mixed(range(1, len(tracks.axes)))


def along_axis(step: Step) -> Tracks:
    """Softmax and its like; before opset 13 they took all axes from `axis` on together."""
    tracks = step.first()
    rank = len(tracks.axes)
    if step.graph.opset < 13:
        return tracks.mixed(range(step.values.get("axis", 1) % rank, rank))
    return tracks.mixed([step.values.get("axis", -1) % rank])


def layer_norm(step: Step) -> Tracks:
    tracks = step.first()
    return tracks.mixed(range(step.values.get("axis", -1) % len(tracks.axes), len(tracks.axes)))


def cumulative(step: Step) -> Tracks:
    axis = step.constant(1)
    if axis is None:
        raise Untraceable
    tracks = step.first()
    return tracks.mixed([int(axis.ravel()[0]) % len(tracks.axes)])


def matmul(step: Step) -> Tracks:
    """The last axis of the left and the last but one of the right are summed over."""
    sides: list[Tracks] = []
    rank = 2
    for place, summed in ((0, -1), (1, -2)):
        tracks = step.tracks.get(step.node.input[place])
        shape = step.shape(place)
        size = len(tracks.axes) if tracks is not None else len(shape or ())
        if size < 2:
            raise Untraceable
        rank = max(rank, size)
        if tracks is not None:
            sides.append(tracks.lost([summed]))
    return joined(sides, rank)


def gemm(step: Step) -> Tracks:
    if set(step.tracks) != {step.node.input[0]}:
        raise Untraceable
    tracks = step.first()
    rows = 1 if step.values.get("transA") else 0
    lost = tracks.lost([1 - rows])
    return Tracks((lost.axes[rows], None), lost.spread)
