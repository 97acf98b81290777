"""Operators that move values without reckoning with them: padding, slicing, joining, reshaping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from filterkit.graph.rules.mixing import broadcast
from filterkit.graph.rules.step import Step, Untraceable, few
from filterkit.graph.rules.windows import followed
from filterkit.graph.tracks import ADDED, Track, Tracks, joined


def pad(step: Step) -> Tracks:
    pads = step.numbers(1, "pads") or []
    tracks = step.first()
    axes = step.numbers(3, "") or list(range(len(tracks.axes)))
    return _shifted(tracks, {axis % len(tracks.axes): pads[place] for place, axis in enumerate(axes)})


def _shifted(tracks: Tracks, steps: Mapping[int, int]) -> Tracks:
    new: dict[int, Track | None] = {}
    for axis, count in steps.items():
        track = tracks.axes[axis]
        new[axis] = followed(track, track.reach.shift(count)) if track is not None else None
    return tracks.replaced(new)


def slice_(step: Step) -> Tracks:
    tracks, shape = step.first(), step.shape()
    starts = step.numbers(1, "starts")
    if starts is None:
        raise Untraceable
    axes = step.numbers(3, "axes") or list(range(len(starts)))
    steps = step.numbers(4, "") or [1] * len(starts)
    for place, axis in enumerate(axes):
        axis %= len(tracks.axes)
        tracks = _sliced(tracks, axis, starts[place], steps[place], shape[axis] if shape else None)
    return tracks


def _sliced(tracks: Tracks, axis: int, start: int, step: int, size: int | str | None) -> Tracks:
    track = tracks.axes[axis]
    if start < 0 and isinstance(size, int):
        start = max(start + size, 0)
    if track is None or step < 1 or start < 0:
        return tracks.lost([axis])
    reach = track.reach.shift(-start)
    return tracks.replaced({axis: followed(track, reach.window(1, stride=step))})


def split(step: Step) -> Iterator[Tracks]:
    """The parts in turn, until the size of one is unknown: nobody knows where the next begins."""
    tracks, start = step.first(), 0
    axis = step.values.get("axis", 0) % len(tracks.axes)
    for place in range(len(step.node.output)):
        yield _shifted(tracks, {axis: -start})
        shape = step.made(place)
        size = shape[axis] if shape is not None else None
        if not isinstance(size, int):
            return
        start += size


def concat(step: Step) -> Tracks:
    shapes = [step.shapes.get(name) for name in step.node.input]
    axis = step.values["axis"]
    parts, start = [], 0
    for name, shape in zip(step.node.input, shapes, strict=True):
        if name in step.tracks:
            parts.append(_shifted(step.tracks[name], {axis % len(step.tracks[name].axes): start}))
        size = shape[axis] if shape is not None else None
        if not isinstance(size, int):
            raise Untraceable
        start += size
    return joined(parts, len(parts[0].axes))


def transpose(step: Step) -> Tracks:
    tracks = step.first()
    perm = step.values.get("perm", range(len(tracks.axes))[::-1])
    return replace(tracks, axes=tuple(tracks.axes[axis] for axis in few(perm)))


def reshape(step: Step) -> Tracks:
    """Squeeze, Unsqueeze, Flatten and Reshape: axes are followed where the sizes tell one from the next."""
    tracks, old, new = step.first(), step.shape(), step.made()
    if old is None or new is None or len(old) != len(tracks.axes):
        raise Untraceable
    if not all(isinstance(size, int) and size > 0 for size in (*old, *new)):
        raise Untraceable
    axes: list[Track | None] = []
    kept: set[int] = set()
    here = 0
    for size in new:
        while here < len(old) and old[here] == 1 and size != 1:
            here += 1
        if here < len(old) and old[here] == size:
            axes.append(tracks.axes[here])
            kept.add(here)
            here += 1
        elif size == 1:
            axes.append(ADDED)
        else:
            break
    if len(axes) < len(new):  # from the first axis that is split or merged on, match from the end
        tail: list[Track | None] = []
        there = len(old) - 1
        for size in reversed(new[len(axes) :]):
            if there < here or old[there] != size:
                break
            tail.append(tracks.axes[there])
            kept.add(there)
            there -= 1
        axes += [None] * (len(new) - len(axes) - len(tail)) + tail[::-1]
    gone = [axis for axis in range(len(old)) if axis not in kept]
    return replace(tracks.lost(gone), axes=tuple(axes))


def gather(step: Step) -> Tracks:
    """Indices in even steps are a slice; anything else loses the axis."""
    tracks, indices = step.first(), step.constant(1)
    axis = step.values.get("axis", 0) % len(tracks.axes)
    shape = step.shape()
    if indices is not None and indices.ndim == 1 and indices.size:
        steps = np.unique(np.diff(indices))
        if len(steps) <= 1:
            stride = int(steps[0]) if len(steps) else 1
            return _sliced(tracks, axis, int(indices[0]), stride, shape[axis] if shape else None)
    if indices is None or indices.ndim == 0:
        return tracks.lost([axis], keep=False)
    lost = tracks.lost([axis])
    return replace(lost, axes=lost.axes[:axis] + (None,) * indices.ndim + lost.axes[axis + 1 :])


def expand(step: Step) -> Tracks:
    shape = step.made()
    if shape is None:
        raise Untraceable
    return joined([broadcast(step.first(), step.shape(), shape)], len(shape))


def tile(step: Step) -> Tracks:
    repeats = step.constant(1)
    if repeats is None:
        raise Untraceable
    tracks, shape = step.first(), step.shape()
    longer = [axis for axis, count in enumerate(few(repeats.ravel())) if count != 1]
    single = [axis for axis in longer if shape is not None and shape[axis] == 1]
    return tracks.pooled(single).lost(set(longer) - set(single))
