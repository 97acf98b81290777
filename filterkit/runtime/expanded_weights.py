"""Expanded weights: what filters of any depth weigh in the network's input, to first order.

All weights of the path up to a filter are multiplied out, with activations as the identity and max pooling as
the mean (C. Voss et al., "Visualizing Weights", Distill 2021). This is the gradient of one response far from
all edges, so that no padding takes part in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from filterkit.errors import ModelError, UsageError
from filterkit.geometry import Number
from filterkit.graph.axes.reshaped_axes import Track
from filterkit.graph.axes.trace import Trace, trace
from filterkit.graph.excerpt.free_sizes import free_sizes
from filterkit.graph.gradient.gradient import Rules
from filterkit.graph.gradient.linear_form import linear_gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.names import shown
from filterkit.graph.view.view import GraphView
from filterkit.runtime.differentiable import PIXELS
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    from filterkit.records import FloatArray

MOST_VALUES = 2**28
"""Limit on the values of an expanded bank."""

MOST_PIXELS = 2**22
"""Limit on the size of the input that is needed for one filter."""

ATTEMPTS = 24
"""Limit on the sizes of the input that are tried."""

DIRECTION, MASK, RESPONSE = "filterkit/direction", "filterkit/mask", "filterkit/response"
MASKED = ("Conv", "ConvTranspose")
"""Operators whose kernels can be selected: the input of others consists of integers."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a model, as in the catalog."""

    address: str
    op: str
    groups: int
    in_channels: int
    out_channels: int
    input_tensor: str
    weight_tensor: str
    tensor: str
    layout: str


def expand(
    model: onnx.ModelProto,
    layer: Layer,
    filters: Sequence[int],
    kernels: Sequence[int] | None,
    *,
    entry: str,
    rules: Rules,
    path: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FloatArray:
    """The expanded weights of some filters of a layer.

    Parameters
    ----------
    model
        From `filterkit.graph.excerpt`, without activations of several nodes; its large weights may be
        references to `path`.
    kernels
        Only the path through these kernels of each filter; None for all.
    entry
        The input that the weights refer to.

    Returns
    -------
    ndarray
        float32, shape (filters, channels, *receptive_field), with the channels of the input.

    Raises
    ------
    ModelError
        The receptive field is unbounded or unknown, or does not fit into the input; a node on the way is not
        linear.
    UsageError
        There are too many values.
    """
    place = _place(model, layer, entry, path)
    values = len(filters) * place.channels * math.prod(place.field)
    if values > MOST_VALUES:
        raise UsageError(
            f"the expanded weights of {len(filters):,} filters of {layer.address} have {values:,} values; "
            f"the limit is {MOST_VALUES:,}",
            hint=f"select fewer filters, e.g. {layer.address}/0:{MOST_VALUES * len(filters) // values or 1}",
        )
    together = place.batch or min(len(filters), max(1, PIXELS // math.prod(place.size)))
    augmented, inputs = _augmented(model, layer, kernels, together)
    shapes = {**place.shapes(together), **{name: (together, *shape) for name, shape in inputs.items()}}
    target = Target(RESPONSE, layer.layout, None, place.position)
    graph = linear_gradient(augmented, target, entry, rules=rules, shapes=shapes, path=path)
    others = [value.name for value in graph.graph.input if value.name not in inputs]
    if others:
        raise ModelError(
            f"the weights up to {layer.address} depend on the input '{shown(others[0])}'",
            hint="choose a layer before it",
        )
    session = open_session(graph, choose("cpu"), folder=path.parent)
    dtype = helper.tensor_dtype_to_np_dtype(_element_type(model, layer))
    result = np.empty((len(filters), place.channels, *place.field), np.float32)
    for start in range(0, len(filters), together):
        some = filters[start : start + together]
        fed = {name: np.zeros(shapes[name], dtype) for name in inputs}
        channel_axis = layer.layout.index("C")
        for row, number in enumerate(some):
            np.moveaxis(fed[DIRECTION], channel_axis, 1)[row, number] = 1
            if kernels is not None:
                fed[MASK][row, _input_channels(layer, number, kernels)] = 1
        (found,) = run(session, [graph.graph.output[0].name], fed)
        result[start : start + len(some)] = place.cropped(found)[: len(some)]
        progress(start + len(some), len(filters))
    return result


@dataclass(frozen=True, slots=True)
class _Place:
    """A position of a layer whose receptive field lies inside the input.

    Attributes
    ----------
    entry_shape
        The shape of the input, with the batch size 1.
    batch
        The batch size, if the file fixes it.
    batch_axis, axes
        Of the input: that of the pictures, and those that the layer's axes of positions follow (None for one
        that follows none), in canonical order.
    position, starts, field
        For each of these axes, the position, and where its receptive field begins and how large it is.
    others
        The shapes of other inputs.
    """

    entry: str
    entry_shape: tuple[int, ...]
    batch: int | None
    batch_axis: int
    axes: tuple[int | None, ...]
    position: tuple[int, ...]
    starts: tuple[int, ...]
    field: tuple[int, ...]
    others: Mapping[str, tuple[int, ...]]

    @property
    def size(self) -> tuple[int, ...]:
        """The sizes of the axes that are followed."""
        return tuple(self.entry_shape[axis] for axis in self.axes if axis is not None)

    @property
    def channels(self) -> int:
        return math.prod(self.entry_shape) // (self.entry_shape[self.batch_axis] * math.prod(self.size))

    def shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """The shapes of all inputs for a batch."""
        shape = list(self.entry_shape)
        shape[self.batch_axis] = batch
        return {**self.others, self.entry: tuple(shape)}

    def cropped(self, values: FloatArray) -> FloatArray:
        """The receptive field of values shaped like the input: shape (N, channels, *field)."""
        followed = [axis for axis in self.axes if axis is not None]
        rest = [axis for axis in range(values.ndim) if axis not in (self.batch_axis, *followed)]
        ordered = values.transpose([self.batch_axis, *rest, *followed])
        ordered = ordered.reshape(len(ordered), self.channels, *self.size)
        windows = [
            slice(start, start + width)
            for axis, start, width in zip(self.axes, self.starts, self.field, strict=True)
            if axis is not None
        ]
        return ordered[:, :, *windows].reshape(len(ordered), self.channels, *self.field)


def _place(model: onnx.ModelProto, layer: Layer, entry: str, path: Path) -> _Place:
    """The position, on an input that is no larger than needed."""
    view = GraphView(model, path)
    traced = trace(view, {})
    if entry not in traced.inputs or layer.tensor not in traced.tracks:
        raise ModelError(f"{layer.address} does not depend on the input '{shown(entry)}'")
    tracks = _tracks(traced, layer, traced.inputs.index(entry))
    axes = tuple(track.source[1] if track.source else None for track in tracks)
    batch_axis = _batch_axis(traced, layer, axes)
    declared = _declared(model, entry, batch_axis, axes)
    if declared is None:
        raise ModelError(f"{layer.address} cannot be expanded: the number of channels of its input is open")
    shape = list(declared)
    for track, axis in zip(tracks, axes, strict=True):
        if axis is not None and not shape[axis]:
            shape[axis] = math.ceil(track.reach.field)
    batch = shape[batch_axis] or None
    shape[batch_axis] = batch or 1
    for _ in range(ATTEMPTS):
        if math.prod(shape) > MOST_PIXELS * max(shape[batch_axis], 1) * _channels(shape, batch_axis, axes):
            break
        traced = trace(view, {entry: tuple(shape)})
        found = [
            _position(traced, layer, letter, shape[axis] if axis is not None else 1)
            for letter, axis in zip(_positions(layer.layout), axes, strict=True)
        ]
        inside = [each for each in found if each is not None]
        if len(inside) == len(found):
            others = {name: traced.shapes[name] for name in traced.inputs if name != entry}
            return _Place(
                entry,
                tuple(shape),
                batch,
                batch_axis,
                axes,
                *(tuple(each[index] for each in inside) for index in range(3)),  # type: ignore[arg-type]
                {name: tuple(int(size) for size in sizes) for name, sizes in others.items()},
            )
        missing = [axis for axis, each in zip(axes, found, strict=True) if each is None]
        if any(axis is None or declared[axis] for axis in missing):
            break
        for track, axis in zip(tracks, axes, strict=True):
            if axis in missing and axis is not None:
                shape[axis] += math.ceil(abs(track.reach.advance))
    field = " × ".join(str(math.floor(track.reach.field)) for track in tracks)
    raise ModelError(
        f"{layer.address} cannot be expanded: its receptive field of {field} does not fit into the input",
        hint="choose a layer before it",
    )


def _positions(layout: str) -> list[str]:
    """The axes of positions of a layout, in canonical order."""
    return sorted(set(layout) - {*"NC"}, key="DHW123456789".index)


def _channels(shape: Sequence[int], batch_axis: int, axes: Sequence[int | None]) -> int:
    return math.prod(size for axis, size in enumerate(shape) if axis != batch_axis and axis not in axes)


def _tracks(traced: Trace, layer: Layer, which: int) -> list[Track]:
    """What each axis of positions follows in the input; raises ModelError if that is not a window."""
    tracks = traced.tracks[layer.tensor]
    found = [tracks.track(layer.layout.index(letter)) for letter in _positions(layer.layout)]
    sources = {track.source for track in found if track is not None and track.source is not None}
    rank = len(traced.shapes[traced.inputs[which]])
    known = [track for track in found if track is not None]
    if (
        len(known) < len(found)
        or (tracks.spread | tracks.unknown) & sources
        or any(source is None or source[0] != which for source in sources)
        or len(sources) < rank - 2
    ):
        raise ModelError(
            f"{layer.address} cannot be expanded: it depends on the whole picture",
            hint="choose a layer before the global pooling, norm or reshape; "
            "`filterkit layers` lists receptive fields",
        )
    return known


def _batch_axis(traced: Trace, layer: Layer, axes: Sequence[int | None]) -> int:
    track = traced.tracks[layer.tensor].track(layer.layout.index("N"))
    source = track.source if track is not None else None
    return source[1] if source is not None and source[1] not in axes else 0


def _declared(
    model: onnx.ModelProto, entry: str, batch_axis: int, axes: Sequence[int | None]
) -> list[int] | None:
    """The sizes that the file fixes, else 0, after freeing those of positions; None without channels."""
    value = next(value for value in model.graph.input if value.name == entry)
    dims = value.type.tensor_type.shape.dim
    letters = iter("DHW"[-len(axes) :] if len(axes) <= 3 else "123456789")
    names = {axis: next(letters) for axis in axes if axis is not None}
    layout = "".join("N" if axis == batch_axis else names.get(axis, "C") for axis in range(len(dims)))
    if any(dims[axis].dim_value for axis in range(len(dims)) if layout[axis] != "C"):
        free_sizes(model, entry, layout)
    sizes = [dim.dim_value for dim in dims]
    return None if any(not size and layout[axis] == "C" for axis, size in enumerate(sizes)) else sizes


def _position(traced: Trace, layer: Layer, letter: str, size: int) -> tuple[int, int, int] | None:
    """The first position with the widest receptive field inside the input, where it begins, and its width."""
    axis = layer.layout.index(letter)
    shape = traced.shapes.get(layer.tensor)
    track = traced.tracks[layer.tensor].track(axis)
    if track is None or shape is None or not isinstance(shape[axis], int):
        return None
    if track.source is None:
        return 0, 0, 1
    low, high = _covered(traced, track, size)
    field = track.reach.field
    for place in range(int(shape[axis])):
        window = track.reach.at(place)
        if window is not None and low <= window[0] and window[1] <= high:
            if window[1] - window[0] + 1 < field:
                continue
            first = math.floor(window[0])
            return place, first, math.ceil(window[1]) + 1 - first
    return None


def _covered(traced: Trace, track: Track, size: int) -> tuple[Number, Number]:
    """The pixels that every tensor on the way covers: what it lacks beyond them, padding may replace."""
    low: Number = 0
    high: Number = size - 1
    for name, tracks in traced.tracks.items():
        shape = traced.shapes.get(name)
        for axis in range(len(tracks.axes)):
            other = tracks.track(axis)
            if other is None or other.source != track.source or shape is None or len(shape) <= axis:
                continue
            positions = shape[axis]
            if isinstance(positions, int) and positions > 0:
                ends = [window for place in (0, positions - 1) if (window := other.reach.at(place))]
                low = max([low, min((end[0] for end in ends), default=low)])
                high = min([high, max((end[1] for end in ends), default=high)])
    return low, high


def _element_type(model: onnx.ModelProto, layer: Layer) -> int:
    output = next((value for value in model.graph.output if value.name == layer.tensor), None)
    return (output.type.tensor_type.elem_type if output is not None else 0) or TensorProto.FLOAT


def _augmented(
    model: onnx.ModelProto, layer: Layer, kernels: Sequence[int] | None, batch: int
) -> tuple[onnx.ModelProto, dict[str, tuple[int, ...]]]:
    """The model with inputs that select a filter, and kernels of it, for each picture of a batch.

    Each input multiplies a tensor; their shapes are returned without the batch.
    """
    result = onnx.ModelProto.FromString(model.SerializeToString())
    graph, kind = result.graph, _element_type(model, layer)
    inputs = {DIRECTION: tuple(_sizes(layer.layout, layer.out_channels))}
    if kernels is not None:
        node = _convolution(result, layer)
        inputs[MASK] = (layer.in_channels, *(1,) * (len(layer.layout) - 2))
        masked = f"{MASK}/input"
        mul = helper.make_node("Mul", [layer.input_tensor, MASK], [masked], name=masked)
        node.input[0] = masked
        nodes = list(graph.node)
        nodes.insert(next(place for place, each in enumerate(nodes) if masked in each.input), mul)
        copies = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
        del graph.node[:]
        graph.node.extend(copies)
    graph.node.append(helper.make_node("Mul", [layer.tensor, DIRECTION], [RESPONSE], name=RESPONSE))
    graph.input.extend(
        helper.make_tensor_value_info(name, kind, (batch, *shape)) for name, shape in inputs.items()
    )
    del graph.output[:]
    graph.output.extend([helper.make_tensor_value_info(RESPONSE, kind, None)])
    return result, inputs


def _sizes(layout: str, channels: int) -> Iterator[int]:
    """The shape, without the batch, of one number per channel."""
    yield from (channels if letter == "C" else 1 for letter in layout if letter != "N")


def _convolution(model: onnx.ModelProto, layer: Layer) -> Any:
    for node in model.graph.node:
        if node.op_type in MASKED and list(node.input[:2]) == [layer.input_tensor, layer.weight_tensor]:
            return node
    raise UsageError(
        f"kernels of {layer.address} cannot be selected in its expanded weights",
        hint=f"leave them out; they can be selected for {' and '.join(MASKED)}, not for {layer.op}",
    )


def _input_channels(layer: Layer, number: int, kernels: Sequence[int]) -> list[int]:
    """The input channels that kernels of a filter read."""
    first = number // (layer.out_channels // layer.groups) * (layer.in_channels // layer.groups)
    return [first + kernel for kernel in kernels]
