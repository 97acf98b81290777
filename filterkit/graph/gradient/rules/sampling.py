"""Gradients of GridSample, with respect to the picture and to the places at which it is sampled."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.formula import Value, value


class Axis(NamedTuple):
    """Where the samples lie along one axis of the picture, in pixels, and how that depends on the grid.

    Attributes
    ----------
    place
        Shape (N, 1, samples), within the picture or beside its first or last pixel.
    slope
        The derivative of `place` by the coordinate of the grid.
    """

    place: Value
    slope: Value
    size: int


def grid_sample(step: Backward) -> Gradients:
    """Each sample is a weighted mean of the pixels around it, or the nearest pixel, whatever its place."""
    mode = step.attributes.get("mode", "linear").removeprefix("bi")
    if len(step.shape()) != 4 or mode not in ("linear", "nearest"):
        raise step.unsupported(f"its mode is {mode}, with {len(step.shape()) - 2} axes of positions")
    batch, channels, height, width = step.shape()
    samples = int(np.prod(step.shape(1)[1:3]))
    y, x = _along(step, 1, height, samples), _along(step, 0, width, samples)
    incoming = value(step, step.reshape(step.gradient, (batch, channels, samples)))
    picture = value(step, step.reshape(step.inputs[0], (batch, channels, height * width)))
    back = value(step, step.op("Expand", step.const(0.0), step.ints(batch, channels, height * width)))
    of_y = of_x = value(step, step.const(0.0))
    corners = itertools.product((0, 1), repeat=2) if mode == "linear" else [(0, 0)]
    for below, right in corners:
        row, weight_y, sign_y = _corner(step, y, below, mode)
        column, weight_x, sign_x = _corner(step, x, right, mode)
        inside = _inside(row, height) & _inside(column, width)
        flat = row.call("Clip", 0.0, height - 1.0) * width + column.call("Clip", 0.0, width - 1.0)
        shape = value(step, step.ints(batch, channels, samples))
        places = flat.call("Cast", to=7).call("Expand", shape)
        share = inside.where(weight_y * weight_x, 0.0)
        shares = (incoming * share).name
        back = value(step, step.builder.scatter("ScatterElements", back.name, places.name, shares, axis=2))
        if step.needed[1]:
            taken = incoming * picture.call("GatherElements", places, axis=2)
            total = value(step, step.reduce("ReduceSum", taken.name, [1]))
            of_y = of_y + inside.where(total * weight_x * sign_y, 0.0)
            of_x = of_x + inside.where(total * weight_y * sign_x, 0.0)
    found = step.reshape(back.name, step.shape())
    if not step.needed[1] or mode == "nearest":
        return (found,)
    both = (of_x * x.slope).call("Concat", of_y * y.slope, axis=1)
    moved = step.op("Transpose", both.name, perm=[0, 2, 1])
    return found, step.reshape(moved, step.shape(1))


def _along(step: Backward, number: int, size: int, samples: int) -> Axis:
    """The places along one axis, moved into the picture as the padding mode has it."""
    batch = step.shape()[0]
    coordinate = step.op("Gather", step.inputs[1], step.const(number), axis=3)
    grid = value(step, step.reshape(coordinate, (batch, 1, samples)))
    corners = bool(step.attributes.get("align_corners", 0))
    scale = (size - 1) / 2 if corners else size / 2
    place = (grid + 1.0) * scale - (0.0 if corners else 0.5)
    slope = grid * 0.0 + scale
    mode = step.attributes.get("padding_mode", "zeros")
    if mode == "border":
        slope = ((place > 0.0) & (place < size - 1.0)).where(slope, 0.0)
        place = place.call("Clip", 0.0, size - 1.0)
    elif mode == "reflection":
        first, length = (0.0, size - 1.0) if corners else (-0.5, float(size))
        turns = ((place - first) / max(length, 1.0)).call("Floor")
        rest = place - first - turns * length
        is_odd = (turns - (turns / 2.0).call("Floor") * 2.0) > 0.5
        place = is_odd.where(length - rest, rest) + first
        slope = is_odd.where(-slope, slope)
    return Axis(place, slope, size)


def _corner(step: Backward, axis: Axis, number: int, mode: str) -> tuple[Value, Value, float]:
    """The pixels before or after the samples, their weights, and the sign of the derivatives of these."""
    one = axis.place * 0.0 + 1.0
    if mode == "nearest":
        pixel = axis.place.call("Round")
        outside = step.attributes.get("padding_mode", "zeros") != "zeros"
        return (pixel.call("Clip", 0.0, axis.size - 1.0) if outside else pixel), one, 0.0
    first = axis.place.call("Floor")
    part = axis.place - first
    pixel, weight = (first + 1.0, part) if number else (first, 1.0 - part)
    if step.attributes.get("padding_mode", "zeros") != "zeros":
        pixel = pixel.call("Clip", 0.0, axis.size - 1.0)
    return pixel, weight, 1.0 if number else -1.0


def _inside(pixel: Value, size: int) -> Value:
    return (pixel > -0.5) & (pixel < size - 0.5)


def rule() -> Family:
    return standard(GridSample=grid_sample)
