"""Operators that read a window around every position: convolution, pooling, resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from filterkit.geometry import MOST_PHASES, Reach, same_pad, transposed_reads
from filterkit.graph.axes.reshaped_axes import Axis, Digit, Fold, Track, is_kept, track_of
from filterkit.graph.axes.tensor_axes import Step, Tracks, Untraceable, elementwise_output, limited
from filterkit.graph.view.view import Shape, is_known


def window(step: Step) -> Tracks:
    """Convolution and pooling; a max pooling's second output has the same geometry as the first."""
    tracks, operator = step.first_tracks(), step.node.op_type
    rank = len(tracks.axes) - 2
    kernel: Sequence[Any] = (
        step.values.get("kernel_shape") or (step.input_shape(_weight_index(operator)) or ())[2:]
    )
    ones = [1] * rank
    strides, dilations = step.values.get("strides", ones), step.values.get("dilations", ones)
    shape = step.output_shape()
    for axis in range(rank):
        slid = Window(
            kernel[axis],
            strides[axis],
            dilations[axis],
            _left_pad(step, axis, rank, kernel[axis], strides[axis], dilations[axis]),
            shape[axis + 2] if shape is not None else None,
        )
        tracks = (_transposed if _is_transposed(operator) else _windowed)(tracks, axis + 2, slid)
    if "Conv" not in operator:
        return tracks
    summed = tracks.pooled([1])
    for name in _computed_parameters(step):
        summed = summed.depending_on(step.tracks[name])
    return summed


def global_pooling(step: Step) -> Tracks:
    """Global poolings: every spatial axis is reduced to one value."""
    tracks = step.first_tracks()
    if step.values.get("channels_last"):
        return tracks.pooled(range(1, len(tracks.axes) - 1))
    return tracks.pooled(range(2, len(tracks.axes)))


@dataclass(frozen=True, slots=True)
class Window:
    """A window along one axis; `length` is the number of its output positions, where known."""

    kernel: int
    stride: int
    dilation: int
    pad: int
    length: int | str | None


def _windowed(tracks: Tracks, axis: int, window: Window) -> Tracks:
    """An axis after a window slid along it; along a leading digit, positions are its step apart."""
    if (window.kernel, window.stride, window.pad) == (1, 1, 0) and is_kept(tracks.axes[axis], window.length):
        return tracks
    digit = _single_leading_digit(tracks.axes[axis])
    if digit is not None and digit.track is not None and isinstance(window.length, int):
        apart = digit.step * window.dilation
        reads = [
            range(start, start + apart * (window.kernel - 1) + 1, apart)
            for start in range(-digit.step * window.pad, digit.step * (1 - window.pad))
        ]
        reach = digit.track.reach.read(reads, digit.step * window.stride)
        return (
            tracks.with_digit_reach(digit, reach, window.length)
            if reach.is_bounded
            else tracks.untracked([axis])
        )
    track = tracks.track(axis)
    if track is None:
        return tracks.replaced({axis: None})
    length = window.length if isinstance(window.length, int) else None
    reach = track.reach.window(window.kernel, window.stride, window.dilation, window.pad, length)
    return tracks.replaced({axis: with_reach(track, reach)})


def _transposed(tracks: Tracks, axis: int, window: Window) -> Tracks:
    if window.stride > MOST_PHASES:
        raise Untraceable
    track = tracks.track(axis)
    if track is None:
        return tracks.replaced({axis: None})
    reads = transposed_reads(window.kernel, window.stride, window.dilation, window.pad)
    length = window.length if isinstance(window.length, int) else None
    return tracks.replaced({axis: with_reach(track, track.reach.read(reads, places=length))})


def _single_leading_digit(axis: Axis) -> Digit | None:
    """The digit of an axis that is just the leading digit of another; None if its step is too large."""
    if not isinstance(axis, Fold) or len(axis.digits) > 1:
        return None
    (digit,) = axis.digits
    return digit if digit.is_leading and digit.step <= MOST_PHASES else None


def _computed_parameters(step: Step) -> list[str]:
    """Weights and biases that depend on the graph's input, as in dynamic convolutions."""
    operator, names = step.node.op_type, step.node.input
    bias = 8 if operator.startswith("QLinear") else None if operator == "ConvInteger" else 2
    indices = [index for index in (_weight_index(operator), bias) if index is not None and index < len(names)]
    return [names[index] for index in indices if names[index] in step.tracks]


def _weight_index(operator: str) -> int:
    """Index of the input of a convolution that is its weight."""
    return 3 if operator.startswith("QLinear") else 1


def _is_transposed(operator: str) -> bool:
    return "ConvTranspose" in operator


def fused(step: Step) -> Tracks:
    """A convolution of ONNX Runtime's own domain, which may add another tensor to its output."""
    if step.values.get("channels_last"):
        raise Untraceable
    names = step.node.input
    added = step.tracks.get(names[3]) if step.node.op_type == "FusedConv" and len(names) > 3 else None
    tracks = window(replace(step, tracks={names[0]: step.first_tracks()}))
    return (
        tracks
        if added is None
        else elementwise_output([tracks, added], len(tracks.axes), step.output_shape())
    )


def with_reach(track: Track | None, reach: Reach | None) -> Track | None:
    """`track` with a new reach; None where nothing can be followed any more.

    That is an axis of length 1 that was added and is now wider, or a reach that is out of bounds, whose
    numbers would grow with every layer.
    """
    if track is None or reach is None or not reach.is_bounded:
        return None
    if track.source is None and reach != Reach():
        return None
    return Track(track.source, reach)


def _left_pad(step: Step, axis: int, rank: int, kernel: int, stride: int, dilation: int) -> int:
    auto = step.values.get("auto_pad", "NOTSET")
    shape, output_shape = step.input_shape(), step.output_shape()
    size = shape[axis + 2] if shape is not None else None
    size = size if isinstance(size, int) else None
    stated = "output_shape" in step.values
    if _is_transposed(step.node.op_type) and (auto.startswith("SAME") or stated):
        target: int | str | None = None if size is None else size * stride
        if stated and output_shape is not None:
            target = output_shape[axis + 2]
        if size is None or not isinstance(target, int):
            raise Untraceable
        extra = step.values.get("output_padding", [0] * rank)[axis]
        total = max(stride * (size - 1) + extra + dilation * (kernel - 1) + 1 - target, 0)
        return int(total // 2 if auto == "SAME_UPPER" else total - total // 2)
    if auto.startswith("SAME"):
        return same_pad(size, kernel, stride, dilation, upper=auto == "SAME_UPPER")
    pads = step.values.get("pads", [0] * (2 * rank)) if auto == "NOTSET" else [0] * (2 * rank)
    return int(pads[axis])


def resize(step: Step) -> Tracks:
    """Resize and Upsample; positions read beyond an edge are not clamped to it."""
    tracks, old, new = step.first_tracks(), step.input_shape(), step.output_shape()
    if old is None or new is None or len(old) != len(tracks.axes):
        raise Untraceable
    scales = _scales(step, old)
    changed: dict[int, Axis] = {}
    single: list[int] = []
    crops = step.values.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    for axis, track in enumerate(map(track_of, tracks.axes)):
        before, after = old[axis], new[axis]
        if before == after and not crops:  # by a scale near 1, ONNX Runtime changes nothing either
            continue
        if track is None or not isinstance(before, int) or not isinstance(after, int):
            changed[axis] = None
            continue
        if before == 1:
            single.append(axis)
            continue
        ratio, start = _grid(step, axis, before, after, scales.get(axis))
        if ratio.denominator > MOST_PHASES:
            raise Untraceable
        reads = [_read_at(ratio * index + start, step, ratio) for index in range(ratio.denominator)]
        changed[axis] = with_reach(track, track.reach.read(reads, ratio.numerator, after))
    return tracks.replaced(changed).pooled(single)


def _scales(step: Step, shape: Shape) -> dict[int, float]:
    """Scales by axis, where they are not simply the ratios of the sizes.

    A Resize may state scales, for some axes or all, or sizes, of which one determines the scale where the
    aspect ratio is kept. The first opsets stated scales as an attribute.
    """
    modern = _is_modern(step)
    given = step.constant(2 if modern else 1)
    found = step.values.get("scales") if given is None else limited(given.ravel()).tolist()
    axes = [axis % len(shape) for axis in limited(step.values.get("axes", range(len(shape))))]
    if found:
        return dict(zip(axes, map(float, limited(found)), strict=True))
    policy = step.values.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return {}
    sizes = step.constant(3)
    if sizes is None or not is_known(shape):
        raise Untraceable
    ratios = [int(size) / shape[axis] for axis, size in zip(axes, limited(sizes.ravel()), strict=True)]
    return dict.fromkeys(axes, (min if policy == "not_larger" else max)(ratios))


def _is_modern(step: Step) -> bool:
    """Whether a node has a coordinate transformation mode; before, it was always ``asymmetric``."""
    return step.node.op_type == "Resize" and step.graph.opset >= 11


def _grid(step: Step, axis: int, before: int, after: int, scale: float | None) -> tuple[Fraction, Fraction]:
    """Input position of output ``i`` as ``ratio * i + start`` (ONNX, operator Resize)."""
    default = "half_pixel" if _is_modern(step) else "asymmetric"
    mode = step.values.get("coordinate_transformation_mode", default)
    ratio = Fraction(before, after) if scale is None else 1 / Fraction(scale).limit_denominator(1000)
    if mode == "align_corners":
        return (Fraction(before - 1, after - 1) if after > 1 else Fraction(1)), Fraction(0)
    if mode == "asymmetric" or (mode == "pytorch_half_pixel" and after == 1):
        return ratio, Fraction(0)
    if mode == "tf_crop_and_resize":
        return _cropped(step, axis, before, after)
    if mode not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        raise Untraceable
    centred = (before - ratio * after) / 2 if mode == "half_pixel_symmetric" else 0
    return ratio, (ratio - 1) / 2 + centred


def _cropped(step: Step, axis: int, before: int, after: int) -> tuple[Fraction, Fraction]:
    """The grid of a crop: `roi` states its start on every axis, then its end on every axis."""
    roi = step.constant(1)
    if roi is None:
        raise Untraceable
    axes = [
        other % len(step.input_shape() or ())
        for other in limited(step.values.get("axes", range(roi.size // 2)))
    ]
    ends = limited(roi.ravel())[axes.index(axis) :: len(axes)].tolist()
    first, last = (Fraction(end).limit_denominator(1000) * (before - 1) for end in ends)
    return ((last - first) / (after - 1), first) if after > 1 else (Fraction(1), (first + last) / 2)


def _read_at(position: Fraction, step: Step, ratio: Fraction) -> range:
    """The input positions that interpolation at `position` reads."""
    mode = step.values.get("mode", "nearest")
    below = math.floor(position)
    if mode == "nearest":
        old = "ceil" if step.node.op_type == "Resize" and ratio > 1 else "floor"
        default = "round_prefer_floor" if _is_modern(step) else old
        rounding = step.values.get("nearest_mode", default)
        nearest = {
            "floor": below,
            "ceil": math.ceil(position),
            "round_prefer_floor": math.ceil(position - Fraction(1, 2)),
            "round_prefer_ceil": math.floor(position + Fraction(1, 2)),
        }[rounding]
        return range(nearest, nearest + 1)
    margin = Fraction(1 if mode == "linear" else 2)
    if step.values.get("antialias") and ratio > 1:
        margin *= ratio
    elif position == below:
        return range(below, below + 1)
    return range(math.floor(position - margin) + 1, math.ceil(position + margin))
