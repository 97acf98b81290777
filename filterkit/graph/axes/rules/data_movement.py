"""Data-movement operators: pad, slice, split, concatenate, transpose, reshape, gather, expand, tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterkit.geometry import MOST_PHASES
from filterkit.graph.axes.reshaped_axes import Axis, Fold, digits_of, is_kept, regrouped
from filterkit.graph.axes.rules.arithmetic import broadcast
from filterkit.graph.axes.rules.windows import with_reach
from filterkit.graph.axes.tensor_axes import Step, Tracks, Untraceable, elementwise_output, limited, union
from filterkit.graph.view.view import Shape, is_known

Size = int | str | None

LONGEST_PERIOD = 16
"""Largest period of a Gather's indices that is recognized: larger than any upsampling written as a Gather."""


def pad(step: Step) -> Tracks:
    pads = step.numbers(1, "pads") or []
    tracks = step.first_tracks()
    axes = step.numbers(3, "") or list(range(len(tracks.axes)))
    padded = [
        (axis % len(tracks.axes), pads[index], pads[index + len(axes)]) for index, axis in enumerate(axes)
    ]
    return _shifted(tracks, {axis: before for axis, before, after in padded if before or after})


def _shifted(tracks: Tracks, steps: Mapping[int, int]) -> Tracks:
    new: dict[int, Axis] = {}
    for axis, count in steps.items():
        if not count and not isinstance(tracks.axes[axis], Fold):
            continue
        track = tracks.track(axis)
        new[axis] = with_reach(track, track.reach.shift(count)) if track is not None else None
    return tracks.replaced(new)


def slice_(step: Step) -> Tracks:
    tracks, shape, result = step.first_tracks(), step.input_shape(), step.output_shape()
    starts = step.numbers(1, "starts")
    if starts is None:
        raise Untraceable
    axes = step.numbers(3, "axes") or list(range(len(starts)))
    steps = step.numbers(4, "") or [1] * len(starts)
    for index, axis in enumerate(axes):
        axis %= len(tracks.axes)
        size = shape[axis] if shape is not None else None
        tracks = _sliced(tracks, axis, starts[index], steps[index], size, result[axis] if result else None)
    return tracks


def _sliced(tracks: Tracks, axis: int, start: int, step: int, size: Size, length: Size) -> Tracks:
    """Slice an axis of `size` positions from `start` on, so that `length` are left."""
    if isinstance(size, int):
        start = min(max(start + size, 0) if start < 0 else start, size if step > 0 else size - 1)
    elif step < 0:
        return tracks.untracked([axis])
    if (start, step) == (0, 1) and is_kept(tracks.axes[axis], length):
        return tracks
    track = tracks.track(axis)
    if track is None or start < 0:
        return tracks.untracked([axis])
    return tracks.replaced({axis: with_reach(track, track.reach.read([range(start, start + 1)], step))})


def split(step: Step) -> Iterator[Tracks]:
    """The parts in order, up to the first of unknown size, after which no start is known."""
    tracks, start = step.first_tracks(), 0
    axis = step.values.get("axis", 0) % len(tracks.axes)
    for index in range(len(step.node.output)):
        yield _shifted(tracks, {axis: -start})
        shape = step.output_shape(index)
        size = shape[axis] if shape is not None else None
        if not isinstance(size, int):
            return
        start += size


def concat(step: Step) -> Tracks:
    shapes = [step.shapes.get(name) for name in step.node.input]
    axis = step.values["axis"]
    parts: list[Tracks] = []
    sizes, start = [], 0
    for name, shape in zip(step.node.input, shapes, strict=True):
        size = shape[axis] if shape is not None else None
        if not isinstance(size, int):
            raise Untraceable
        if name in step.tracks:
            parts.append(_shifted(step.tracks[name], {axis % len(step.tracks[name].axes): start}))
            sizes.append(size)
        start += size
    return elementwise_output(_concatenated(parts, sizes, axis), len(parts[0].axes), step.output_shape())


def _concatenated(parts: Sequence[Tracks], sizes: Sequence[int], axis: int) -> list[Tracks]:
    """The parts of a concatenation, of which one keeps its track where several follow the same input axis.

    It is the part with the widest field among those at least half as long as the longest: small parts are
    edges, such as those of circular padding.
    """
    followed = [part.track(axis) for part in parts]
    fields = [
        (2 * size >= max(sizes), track.reach.field, index)
        for index, (track, size) in enumerate(zip(followed, sizes, strict=True))
        if track is not None and track.source is not None
    ]
    if len(fields) < 2:
        return list(parts)
    *_, widest = max(fields)
    main = followed[widest]
    axis %= len(parts[widest].axes)
    return [
        part
        if index == widest or track is None or main is None or track.source != main.source
        else replace(part, axes=(*part.axes[:axis], None, *part.axes[axis + 1 :]))
        for index, (part, track) in enumerate(zip(parts, followed, strict=True))
    ]


def transpose(step: Step) -> Tracks:
    tracks = step.first_tracks()
    perm = step.values.get("perm", range(len(tracks.axes))[::-1])
    return replace(tracks, axes=tuple(tracks.axes[axis] for axis in limited(perm)))


def reshape(step: Step) -> Tracks:
    """Squeeze, Unsqueeze, Flatten and Reshape: axes are followed as far as their sizes share factors."""
    return _reshaped(step.first_tracks(), step.input_shape(), step.output_shape())


def depth_to_space(step: Step) -> Tracks:
    """Equivalent to Reshape, Transpose, Reshape; where that loses an axis, channels count as mixed first."""
    pictures, channels, *sizes, block = _blocks(step)
    if step.values.get("mode", "DCR") == "DCR":
        split, perm = (pictures, block, block, channels // block**2, *sizes), (0, 3, 4, 1, 5, 2)
    else:
        split, perm = (pictures, channels // block**2, block, block, *sizes), (0, 1, 4, 2, 5, 3)
    exact = _rearranged(step.first_tracks(), step, split, perm)
    if exact.track(2) is None or exact.track(3) is None:
        return _rearranged(step.first_tracks().pooled([1]), step, split, perm)
    return exact


def space_to_depth(step: Step) -> Tracks:
    pictures, channels, height, width, block = _blocks(step)
    split = pictures, channels, height // block, block, width // block, block
    return _rearranged(step.first_tracks(), step, split, (0, 3, 5, 1, 2, 4))


def _blocks(step: Step) -> list[int]:
    """The sizes N C H W of the input, and the block size."""
    shape, block = step.input_shape(), int(step.values["blocksize"])
    if shape is None or not is_known(shape) or not 0 < block <= MOST_PHASES:
        raise Untraceable
    return [*shape, block]


def _rearranged(tracks: Tracks, step: Step, split: Sequence[int], perm: Sequence[int]) -> Tracks:
    tracks = _reshaped(tracks, step.input_shape(), tuple(split))
    moved = replace(tracks, axes=tuple(tracks.axes[axis] for axis in perm))
    return _reshaped(moved, tuple(split[axis] for axis in perm), step.output_shape())


def _reshaped(tracks: Tracks, old: Shape | None, new: Shape | None) -> Tracks:
    if old is None or new is None or len(old) != len(tracks.axes):
        raise Untraceable
    if not is_known(old) or not is_known(new) or min((*old, *new), default=1) < 1:
        raise Untraceable
    digits = [digit for axis, size in zip(tracks.axes, old, strict=True) for digit in digits_of(axis, size)]
    axes, unused = regrouped(digits, new)
    left = Tracks(tuple(axes), tracks.spread, tracks.unknown)
    lost = left.unfolded([digit.track for digit in unused if digit.track is not None])
    single = Tracks(tuple(digit.track for digit in unused if digit.size == 1)).followed()
    others = Tracks(tuple(digit.track for digit in unused if digit.size > 1)).followed()
    return replace(lost, spread=union(lost.spread, single), unknown=union(lost.unknown, others))


def gather(step: Step) -> Tracks:
    """Evenly spaced indices are a slice, periodic ones a resampling; with others the axis becomes unknown."""
    tracks, indices = step.first_tracks(), step.constant(1)
    axis = step.values.get("axis", 0) % len(tracks.axes)
    shape = step.input_shape()
    size = shape[axis] if shape is not None else None
    if indices is not None and indices.ndim == 1 and indices.size:
        if isinstance(size, int):
            indices = np.where(indices < 0, indices + size, indices)
        steps = np.unique(np.diff(indices))
        if len(steps) <= 1:
            stride = int(steps[0]) if len(steps) else 1
            return _sliced(tracks, axis, int(indices[0]), stride, size, len(indices))
        track, period = tracks.track(axis), _period(indices)
        if track is not None and period is not None:
            reads = [range(index, index + 1) for index in indices[:period].tolist()]
            reach = track.reach.read(reads, int(indices[period] - indices[0]))
            return tracks.replaced({axis: with_reach(track, reach)})
    if indices is None or indices.ndim == 0:
        return tracks.untracked([axis], keep=False)
    lost = tracks.untracked([axis])
    return replace(lost, axes=lost.axes[:axis] + (None,) * indices.ndim + lost.axes[axis + 1 :])


def _period(indices: NDArray[Any]) -> int | None:
    """The number of indices after which their differences repeat; None where they do not, or not soon."""
    steps = np.diff(indices)
    for period in range(2, min(LONGEST_PERIOD, len(indices) // 2) + 1):
        if indices[period] != indices[0] and np.array_equal(steps[period:], steps[:-period]):
            return period
    return None


def reverse_sequence(step: Step) -> Tracks:
    """A flip, if every sequence is as long as the axis."""
    tracks, lengths, shape = step.first_tracks(), step.constant(1), step.input_shape()
    axis = step.values.get("time_axis", 0) % len(tracks.axes)
    if lengths is None or shape is None or not (lengths == shape[axis]).all():
        return tracks.untracked([axis])
    return _sliced(tracks, axis, -1, -1, shape[axis], shape[axis])


def expand(step: Step) -> Tracks:
    shape = step.output_shape()
    if shape is None:
        raise Untraceable
    return elementwise_output([broadcast(step.first_tracks(), step.input_shape(), shape)], len(shape), shape)


def tile(step: Step) -> Tracks:
    repeats = step.constant(1)
    if repeats is None:
        raise Untraceable
    tracks, shape = step.first_tracks(), step.input_shape()
    longer = [axis for axis, count in enumerate(limited(repeats.ravel())) if count != 1]
    single = [axis for axis in longer if shape is not None and shape[axis] == 1]
    return tracks.pooled(single).untracked(set(longer) - set(single))
