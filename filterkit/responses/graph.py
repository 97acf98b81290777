"""Add nodes to a graph that reduce each feature map to a few numbers, so that no map leaves the session.

The position of an extreme is found in two steps: the extreme of every row, in one vectorized pass, and then
the position in the row that has it. One ``ArgMax`` over the whole map takes several times as long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from filterkit.errors import FilterkitError, ModelError
from filterkit.graph.gradient.recent_opset import upgrade
from filterkit.graph.loading.names import free_name
from filterkit.graph.view.walk import opset_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

OLDEST_OPSET = 13
"""The first in which all of these operators have the form that is used here."""

AXES_ARE_INPUTS = 18
"""The opset from which on reductions take their axes as an input."""

STEEP = 3e38
"""Slope with which ``HardSigmoid`` is 1 above 0, and 0 elsewhere: a comparison in one vectorized pass."""


class Reduced(NamedTuple):
    """Names of the outputs for one tensor.

    ``max`` and ``min`` have shape (N, C, 1), with the row and column of each in the map as `_plane` arranges
    it; ``mean``, ``mean_square`` and ``active``, the share of positions above 0, have shape (N, C); and
    `shape` is the shape of the tensor itself.
    """

    max: str
    max_row: str
    max_column: str
    min: str
    min_row: str
    min_column: str
    mean: str
    mean_square: str
    active: str
    shape: str


def reduce_maps(model: ModelProto, tensors: Mapping[str, str]) -> dict[str, Reduced]:
    """Replace the outputs of a graph by reductions of them.

    Parameters
    ----------
    model
        Changed in place.
    tensors
        Layout, e.g. ``"NHWC"``, of each tensor to reduce, in the order in which they are computed.

    Raises
    ------
    ModelError
        The operators are too old, and onnx cannot convert them.
    """
    if opset_of(model) < OLDEST_OPSET:
        try:
            upgrade(model)
        except FilterkitError as error:
            raise ModelError(
                f"the network cannot be observed: {error.message.removeprefix('no gradient: ')}",
                hint=error.hint,
            ) from error
    building = _Building(model)
    # ONNX Runtime first computes what the last nodes need. With the first layer last, each map is reduced as
    # soon as it is computed, while it is in the caches, and none waits in memory for the others.
    reduced = {name: building.reduce(name, layout) for name, layout in reversed(list(tensors.items()))}
    del model.graph.output[:]
    model.graph.output.extend(ValueInfoProto(name=name) for names in reduced.values() for name in names)
    return reduced


def spatial_axes(layout: str) -> list[str]:
    """The letters of a layout other than N and C, in the order in which positions are numbered."""
    return sorted(set(layout) - {*"NC"}, key="DHW123456789".index)


class _Building:
    """The nodes that are added to one graph."""

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self._graph = graph
        self._axes_are_inputs = opset_of(model) >= AXES_ARE_INPUTS
        used = {name for node in graph.node for name in (*node.input, *node.output)}
        used |= {value.name for value in (*graph.input, *graph.initializer)}
        self._taken = dict.fromkeys(used, 0)
        self._constants: dict[tuple[int, ...], str] = {}

    def reduce(self, tensor: str, layout: str) -> Reduced:
        plane = self._plane(tensor, layout)
        squares = self._node("Mul", [plane, plane])
        active = self._node("HardSigmoid", [plane], alpha=STEEP, beta=0.0)
        return Reduced(
            *self._extreme(plane, largest=True),
            *self._extreme(plane, largest=False),
            self._mean(plane),
            self._mean(squares),
            self._mean(active),
            self._node("Shape", [tensor]),
        )

    def _extreme(self, plane: str, *, largest: bool) -> tuple[str, str, str]:
        """The extreme of each plane, its row and its column; the first in this order if there are several."""
        rows = self._over("ReduceMax" if largest else "ReduceMin", plane, 3)
        extreme, row = self._topmost(rows, largest=largest)
        whole_row = self._node("GatherND", [plane, row], batch_dims=2)
        column = self._node("ArgMax" if largest else "ArgMin", [whole_row], axis=2, keepdims=1)
        return extreme, row, column

    def _topmost(self, rows: str, *, largest: bool) -> tuple[str, str]:
        """The extreme along the last axis, and where it is.

        One node for both: most of the time of nodes for so few numbers is that of starting them.
        """
        extreme = self._node("TopK", [rows, self._constant(1)], axis=2, largest=int(largest))
        place = free_name("filterkit_response", self._taken)
        self._taken[place] = 0
        self._graph.node[-1].output.append(place)
        return extreme, place

    def _mean(self, plane: str) -> str:
        """The mean of each plane: of the means of its rows, as float32 loses digits in longer sums."""
        return self._over("ReduceMean", self._over("ReduceMean", plane, 3), 2)

    def _plane(self, tensor: str, layout: str) -> str:
        """A tensor as float32 of shape (N, C, rows, columns)."""
        spatial = spatial_axes(layout)
        wide = self._node("Cast", [tensor], to=TensorProto.FLOAT)
        wanted = [*range(len(layout))]
        wanted.sort(
            key=lambda axis: (
                "NC".find(layout[axis]) if layout[axis] in "NC" else 2 + spatial.index(layout[axis])
            )
        )
        if wanted != [*range(len(layout))]:
            wide = self._node("Transpose", [wide], perm=wanted)
        channels = layout.count("C")
        if channels > 1:
            end = self._node(
                "Slice", [self._node("Shape", [wide]), *map(self._constant, (1 + channels, len(layout)))]
            )
            whole = self._node("Concat", [self._constant(0, -1), end], axis=0)
            wide = self._node("Reshape", [wide, whole])
        # Also of two axes, where it changes nothing: it keeps ONNX Runtime from computing what follows in the
        # blocked layout of its convolutions, and from converting each result instead of the tensor itself.
        shapes = {0: (0, 0, 1, 1), 2: (0, 0, 0, -1), 3: (0, 0, 0, -1)}
        return self._node("Reshape", [wide, self._constant(*shapes.get(len(spatial), (0, 0, 1, -1)))])

    def _over(self, reduction: str, tensor: str, *axes: int) -> str:
        if self._axes_are_inputs:
            return self._node(reduction, [tensor, self._constant(*axes)], keepdims=0)
        return self._node(reduction, [tensor], axes=axes, keepdims=0)

    def _node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = free_name("filterkit_response", self._taken)
        self._taken[name] = 0
        self._graph.node.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _constant(self, *values: int) -> str:
        if values not in self._constants:
            name = free_name("filterkit_response", self._taken)
            self._taken[name] = 0
            array = np.array(values, np.int64)
            self._graph.initializer.append(numpy_helper.from_array(array, name))
            self._constants[values] = name
        return self._constants[values]


def places(rows: NDArray[np.int64], columns: NDArray[np.int64], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Numbers of positions in maps of these `spatial_sizes`, from rows and columns of the plane."""
    of_row = sizes[1:] if len(sizes) in (2, 3) else sizes
    found: NDArray[np.int64] = rows * math.prod(of_row) + columns
    return found


def spatial_sizes(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    """The sizes of `spatial_axes`."""
    return tuple(int(shape[layout.index(letter)]) for letter in spatial_axes(layout))
