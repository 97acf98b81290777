"""Expanded weights: what filters of any depth weigh in the network's input, to first order.

All weights of the path up to a filter are multiplied out, with activations as the identity and max pooling as
the mean (C. Voss et al., "Visualizing Weights", Distill 2021). This is the gradient of one response far from
all edges, so that no padding takes part in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from filterkit.errors import ModelError, UsageError
from filterkit.graph.gradient.gradient import Rules
from filterkit.graph.gradient.inner_position import inner_position
from filterkit.graph.gradient.linear_form import linear_gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.loading.names import shown
from filterkit.runtime.differentiable import PIXELS
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    from filterkit.records import FloatArray

MOST_VALUES = 2**28
"""Limit on the values of an expanded bank."""

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
    progress
        Called with the bytes that are done, and with all.

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
    place = inner_position(model, layer.address, (layer.tensor, layer.layout), entry, path)
    values = len(filters) * place.channels * math.prod(place.field)
    if values > MOST_VALUES:
        raise UsageError(
            f"the expanded weights of {len(filters):,} filters of {layer.address} have {values:,} values; "
            f"the limit is {MOST_VALUES:,}",
            hint=f"select fewer filters, e.g. {layer.address}/0:{MOST_VALUES * len(filters) // values or 1}",
        )
    together = place.batch or min(len(filters), max(1, PIXELS // math.prod(place.size)))
    if together * place.channels * math.prod(place.size) > MOST_VALUES:
        shape = " × ".join(map(str, place.shapes(together)[entry]))
        raise ModelError(
            f"{layer.address} cannot be expanded: it needs an input of {shape}",
            hint="choose a layer before it",
        )
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
        progress(result[: start + len(some)].nbytes, result.nbytes)
    return result


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
