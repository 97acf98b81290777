"""Einsums with one weight, as Keras exports dense layers over several axes and attention projections."""

from __future__ import annotations

from dataclasses import dataclass, replace

import filterkit
import numpy as np
import onnx

from filterkit_dense.axes import letters_of
from filterkit_dense.weights import Floats, float_of, read_numbers

_ELLIPSIS = "0123456789"
"""Letters for the axes that an ellipsis stands for."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """An Einsum of data and weight that is a product with one matrix after combining axes.

    Attributes
    ----------
    data, weight
        Tensors.
    inputs, outputs
        Axes of the weight: those summed over, in the data's order; those kept, in the output's order.
    channels
        Positions of `outputs` among the axes of the output.
    rank
        Number of axes of the output.
    """

    data: str
    weight: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    channels: tuple[int, ...]
    rank: int


def read_einsum(graph: filterkit.GraphView, node: onnx.NodeProto) -> Contraction | None:
    """The contraction that an Einsum computes; None if all or none of its inputs are constants.

    Raises
    ------
    Unresolved
        If it is not a product with one matrix.
    """
    constant = [graph.is_constant(name) for name in node.input]
    if sum(constant) in (0, len(constant)):
        return None
    equation = str(filterkit.attributes(node).get("equation", "")).replace(" ", "")
    terms, arrow, output = equation.partition("->")
    if len(constant) != 2 or terms.count(",") != 1:
        raise filterkit.Unresolved(f"an Einsum of {len(constant)} tensors, '{equation}', is not supported")
    if not arrow:
        output = "".join(sorted(letter for letter in terms if terms.count(letter) == 1 and letter != ","))
    data, weight = node.input if constant[1] else reversed(node.input)
    in_data, in_weight = terms.split(",") if constant[1] else reversed(terms.split(","))
    if "..." in in_data and "..." not in in_weight and (shape := graph.shape(data)) is not None:
        more = _ELLIPSIS[: len(shape) - len(in_data.replace("...", ""))]
        in_data, output = in_data.replace("...", more), output.replace("...", more)
    inputs = [letter for letter in in_data if letter not in output]
    outputs = [letter for letter in output if letter not in in_data]
    rest = [letter for letter in output if letter in in_data]
    is_matrix = (
        sorted(inputs + outputs) == sorted(in_weight)
        and sorted(inputs + rest) == sorted(in_data)
        and len({*inputs, *outputs, *rest}) == len(inputs + outputs + rest)
        and all((inputs, outputs, rest))
        and "." not in in_data + in_weight
    )
    if not is_matrix:
        raise filterkit.Unresolved(f"the Einsum '{equation}' is not the product with one matrix")
    return Contraction(
        data,
        weight,
        tuple(map(in_weight.index, inputs)),
        tuple(map(in_weight.index, outputs)),
        tuple(map(output.index, outputs)),
        len(output),
    )


def read_matrix(graph: filterkit.GraphView, found: Contraction) -> tuple[Floats, tuple[int, ...]]:
    """The weight as (outputs, inputs), and the sizes of its output axes in the graph."""
    stored = read_numbers(graph, found.weight)
    if stored.ndim != len(found.inputs) + len(found.outputs):
        raise filterkit.Unresolved("the axes of the weight do not match the Einsum's equation")
    turned = stored.transpose(found.outputs + found.inputs)
    sizes = turned.shape[: len(found.outputs)]
    return np.ascontiguousarray(turned.reshape(int(np.prod(sizes)), -1), float_of(stored.dtype)), sizes


def follow_einsum(
    graph: filterkit.GraphView, tensor: str, found: Contraction, sizes: tuple[int, ...]
) -> filterkit.Tail:
    """What follows it: bias and activation, and a batch norm if channels are a single axis.

    Channels on several axes are several ``C`` in a layout.
    """
    outputs = int(np.prod(sizes))
    layout = letters_of(graph, tensor, found.rank, found.channels)
    if len(sizes) == 1:
        return filterkit.follow(graph, tensor, layout, outputs, has_bias=False)
    bias = None
    readers = graph.consumers(tensor)
    if len(readers) == 1 and readers[0].op_type == "Add":
        bias = _bias(graph, readers[0], tensor, found, sizes)
        tensor = tensor if bias is None else readers[0].output[0]
    # All but the last get other letters, to check that they are still in order afterwards.
    leading = {axis: str(number) for number, axis in enumerate(found.channels[:-1])}
    marked = "".join(leading.get(axis, letter) for axis, letter in enumerate(layout))
    tail = filterkit.follow(graph, tensor, marked, outputs, has_bias=True)
    order = [letter for letter in tail.post_layout if letter not in "NDHW"]
    if order != sorted(order):
        tail = replace(tail, post_tensor=tensor, post_layout=marked, activation=None)
    return replace(
        tail,
        bias=bias,
        pre_layout=layout,
        post_layout="".join("C" if letter.isdigit() else letter for letter in tail.post_layout),
        batchnorm=None,
    )


def _bias(
    graph: filterkit.GraphView,
    node: onnx.NodeProto,
    tensor: str,
    found: Contraction,
    sizes: tuple[int, ...],
) -> Floats | None:
    """The constant added to the output, one value per channel; None if there is none."""
    others = [name for name in node.input if name != tensor]
    if len(others) != 1 or not graph.is_constant(others[0]):
        return None
    added = graph.constant(others[0])
    if added.dtype.kind != "f" or added.ndim > found.rank:
        return None
    added = added.reshape((1,) * (found.rank - added.ndim) + added.shape)
    if any(size != 1 for axis, size in enumerate(added.shape) if axis not in found.channels):
        return None
    try:
        return np.broadcast_to(added.reshape([added.shape[axis] for axis in found.channels]), sizes).ravel()
    except ValueError:  # larger than the output
        return None
