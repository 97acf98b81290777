"""The number that is differentiated: a selection of one tensor, reduced to one value per picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from filterkit.errors import UsageError
from filterkit.graph.gradient.backward import Builder
from filterkit.graph.loading.names import shown

Position = Literal["mean", "max"] | tuple[int, ...]
"""How a map becomes a number: its mean, its (first) maximum, or its value at one position, e.g. (y, x)."""


@dataclass(frozen=True)
class Target:
    """A scalar per picture: the sum over channels of the mean, the maximum or one value of each map.

    Attributes
    ----------
    tensor
        A tensor of the main graph.
    layout
        Its axes, one letter each: N, C (any number of them; flattened in C order) and others, which are
        positions, e.g. ``"NCHW"``, ``"NHWC"`` or ``"NC"``. Without N it is one picture, without C one map.
    channels
        Channels to sum over; None for all.
    position
        Ignored if the tensor has no axes of positions.
    own
        Whether each picture has a target of its own: picture n the n-th of `channels`.
    from_inputs
        Whether the channel and the position of each picture are inputs of the graph, so that one graph serves
        all of them; `channels` and `position` are then ignored.
    """

    tensor: str
    layout: str = "NCHW"
    channels: tuple[int, ...] | None = None
    position: Position = "mean"
    own: bool = False
    from_inputs: bool = False


def select(target: Target, shape: Sequence[int], builder: Builder) -> tuple[str, str]:
    """Add nodes that compute the value of a target, shape (N,), and its gradient, of the tensor's `shape`.

    Raises
    ------
    UsageError
        The layout, a channel or the position does not fit the shape.
    """
    layout = target.layout
    name = shown(target.tensor)
    if len(layout) != len(shape) or layout.count("N") > 1:
        raise UsageError(f"the tensor '{name}' has {len(shape)} axes, not {layout}")
    order = sorted(
        range(len(shape)), key=lambda axis: ("N", "C").index(layout[axis]) if layout[axis] in "NC" else 2
    )
    ordered = [shape[axis] for axis in order]
    split = layout.count("N")
    count = math.prod(ordered[:split])
    channels = math.prod(ordered[split : split + layout.count("C")])
    space = ordered[split + layout.count("C") :]
    places = math.prod(space)
    chosen = channels if target.channels is None else len(target.channels)
    for channel in target.channels or ():
        if not 0 <= channel < channels:
            raise UsageError(
                f"channel {channel} is outside the tensor '{name}'", hint=f"it has {channels} channels"
            )

    if target.from_inputs:
        entry = _entry_from_inputs(count, space, builder)
        picked = builder.reshape(builder.transpose(target.tensor, order), (count, channels * places))
        value = builder.reshape(builder.op("GatherElements", picked, entry, axis=1), (count,))
        at = builder.op("CastLike", builder.op("Equal", builder.range(channels * places), entry), picked)
        return value, builder.transpose(builder.reshape(at, ordered), np.argsort(order).tolist())
    picked = builder.reshape(builder.transpose(target.tensor, order), (count, channels, places))
    if target.channels is not None:
        picked = builder.op("Gather", picked, builder.ints(*target.channels), axis=1)
    if target.position == "mean":
        each = builder.reduce("ReduceMean", picked, (2,))
        slope = builder.const([1 / max(places, 1)])
    elif target.position == "max":
        first = builder.op("ArgMax", picked, axis=2, keepdims=1)
        each = builder.op("GatherElements", picked, first, axis=2)
        slope = builder.op("CastLike", builder.op("Equal", builder.range(places), first), picked)
    else:
        place = _flat_position(target.position, space, name)
        each = builder.op("Gather", picked, builder.ints(place), axis=2)
        at = builder.op("Equal", builder.range(places), builder.ints(place))
        slope = builder.op("CastLike", at, picked)
    if target.own:
        if chosen != count:
            raise UsageError(f"{count} pictures cannot have {chosen} channels of their own")
        mine = builder.const(np.eye(count, dtype=np.float32)[..., None])
        each = builder.op("Mul", each, mine)
        slope = builder.op("Mul", slope, mine)
    value = builder.reduce("ReduceSum", each, (1, 2), keepdims=False)
    back = builder.op("Expand", slope, builder.ints(count, chosen, places))
    if target.channels is not None:
        indices = builder.reshape(builder.ints(*target.channels), (1, -1, 1))
        indices = builder.op("Expand", indices, builder.ints(count, chosen, places))
        zeros = builder.op("Expand", builder.const(0.0), builder.ints(count, channels, places))
        back = builder.scatter("ScatterElements", zeros, indices, back, axis=1)
    return value, builder.transpose(builder.reshape(back, ordered), np.argsort(order).tolist())


def _entry_from_inputs(count: int, space: Sequence[int], builder: Builder) -> str:
    """The number of the entry of each picture, shape (count, 1), from an input of shape (count, 1 + axes).

    The input has the channel and then the position, along the axes of the tensor in their order.
    """
    steps = [math.prod(space[axis:]) for axis in range(len(space) + 1)]
    parts = builder.op("Mul", builder.input(np.int64, (count, len(steps))), builder.ints(*steps))
    return builder.reduce("ReduceSum", parts, (1,))


def _flat_position(position: tuple[int, ...], space: Sequence[int], name: str) -> int:
    inside = len(position) == len(space) and all(
        0 <= place < size for place, size in zip(position, space, strict=True)
    )
    if not inside:
        at = ", ".join(map(str, position))
        raise UsageError(
            f"position {at} is outside the tensor '{name}'", hint=f"its size is {' × '.join(map(str, space))}"
        )
    return int(np.ravel_multi_index(position, tuple(space))) if space else 0
