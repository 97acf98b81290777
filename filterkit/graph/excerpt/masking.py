"""Let an input choose which channels of a tensor are zero, and cut the graph where that takes effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from filterkit.errors import ModelError, RuntimeFailure
from filterkit.geometry import product
from filterkit.graph.excerpt.branches import UNCHANGED, Wanted, every_name, path_to, quantization_of
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.layers.elementwise_regions import SHAPE_READERS
from filterkit.graph.loading.names import free_name, shown
from filterkit.graph.view.shapes import inferred, known_shapes, without_weights
from filterkit.graph.view.walk import attributes, bodies, reads

WHERE_OPSET = 9
"""The first opset with Where."""

LONGEST_PATH = 64
"""Limit on the nodes before a tensor in which a type is searched for."""

MIXING = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
"""Operators that compute something over all pictures of a batch, hardly visible in the result."""


class Masked(NamedTuple):
    """A model with a mask.

    Attributes
    ----------
    mask
        The new input: booleans, false for zero, with the axes of the tensor, of which N and C may have any
        length and the others have length 1.
    raw
        The tensor before it is masked.
    """

    model: ModelProto
    mask: str
    raw: str


def masked(model: ModelProto, wanted: Wanted, layout: str, channels: int) -> Masked:
    """A model in which a new input sets channels of a tensor to zero.

    Parameters
    ----------
    model
        Not changed. Without functions, of opset `WHERE_OPSET` or later.
    wanted
        The tensor, in the main graph or in a body. Quantized ones become the code of zero.
    layout, channels
        Its axes, and the length of the axis C.

    Raises
    ------
    NotFoundError, ModelError
        There is no such body, or no node in it computes the tensor.
    """
    result = ModelProto()
    result.CopyFrom(model)
    path = [body.graph for body in path_to(result.graph, wanted.scope)]
    graph = path[-1] if path else result.graph
    place, maker = next(
        (
            (place, node)
            for place, node in enumerate(graph.node)
            if wanted.tensor in node.output and wanted.tensor
        ),
        (-1, None),
    )
    if maker is None:
        raise ModelError(f"no node computes the tensor '{shown(wanted.tensor)}'")
    taken = dict.fromkeys(every_name(result.graph), 0)
    mask, raw = free_name("kept channels", taken), free_name(f"{wanted.tensor} unmasked", taken)
    kind, zero = _type_and_zero(result, [result.graph, *path], wanted.tensor)
    maker.output[:] = [raw if name == wanted.tensor else name for name in maker.output]
    nodes = list(_masking_nodes(kind, zero, mask, raw, wanted.tensor, taken))
    kept = [*graph.node[: place + 1], *nodes, *graph.node[place + 1 :]]
    copies = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
    sizes = [channels if letter == "C" else 1 for letter in layout]
    result.graph.input.append(helper.make_tensor_value_info(mask, TensorProto.BOOL, sizes))
    return Masked(result, mask, raw)


def _masking_nodes(
    kind: int, zero: str | None, mask: str, raw: str, output: str, taken: dict[str, int]
) -> Iterator[NodeProto]:
    """Nodes for ``output = raw where mask, else zero``; ONNX Runtime's Where takes no integers of 8 bits."""
    if kind in UNCHANGED:
        nothing = free_name("zero", taken)
        yield helper.make_node(
            "Constant", [], [nothing], value=helper.make_tensor(nothing, kind or TensorProto.FLOAT, [], [0])
        )
        yield helper.make_node("Where", [mask, raw, nothing], [output])
        return
    wide = TensorProto.FLOAT if kind == TensorProto.BFLOAT16 else TensorProto.INT32
    names = [free_name(f"{raw} {what}", taken) for what in ("widened", "zero", "chosen")]
    yield helper.make_node("Cast", [raw], names[:1], to=wide)
    if zero is None:
        yield helper.make_node("Constant", [], names[1:2], value=helper.make_tensor(names[1], wide, [], [0]))
    else:
        yield helper.make_node("Cast", [zero], names[1:2], to=wide)
    yield helper.make_node("Where", [mask, *names[:2]], names[2:])
    yield helper.make_node("Cast", names[2:], [output], to=kind)


def _type_and_zero(model: ModelProto, graphs: Sequence[GraphProto], tensor: str) -> tuple[int, str | None]:
    """The element type of a tensor, and the tensor with its zero point if it is quantized."""
    makers = {name: node for graph in graphs for node in graph.node for name in node.output}
    stored = {each.name: each.data_type for graph in graphs for each in graph.initializer}
    stored |= {
        name: node.attribute[0].t.data_type
        for name, node in makers.items()
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t")
    }
    quantization = quantization_of(makers, tensor)
    if quantization is not None:
        zero = quantization[1] if len(quantization) > 1 and quantization[1] else None
        return stored.get(zero or "", TensorProto.UINT8), zero
    if len(graphs) == 1:  # onnx infers nothing in bodies
        graph = inferred(without_weights(model))
        values = (value for value in (*graph.value_info, *graph.output) if value.name == tensor)
        kind = next(values, ValueInfoProto()).type.tensor_type.elem_type
        if kind:
            return kind, None
    for _ in range(LONGEST_PATH):
        node = makers.get(tensor)
        if node is None or not node.input:
            break
        floats = [stored[name] for name in node.input if stored.get(name, 0) in UNCHANGED - {0}]
        if node.op_type == "Cast" or floats:
            return (attributes(node)["to"] if node.op_type == "Cast" else floats[0]), None
        tensor = node.input[0]
    return TensorProto.FLOAT, None


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """A graph with a mask, cut where the mask takes effect.

    Attributes
    ----------
    between
        Names of the tensors that the tail takes besides the mask; some may be inputs of the graph.
    head
        Computes those of them that are no inputs; None if there are none.
    tail
        All that depends on the mask. The types of its inputs are still to be set, by `typed`.
    is_separable
        Whether several pictures may run together, as far as operators tell.
    """

    between: tuple[str, ...]
    head: ModelProto | None
    tail: ModelProto
    is_separable: bool


def halves(model: ModelProto, mask: str, output: str) -> Halves | None:
    """Cut a graph from `masked` at what depends on the mask; None if the output does not.

    What depends on constants only belongs to the tail.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name for value in graph.input} - constants - {mask}
    fed, after = set(inputs), {mask}
    values = {mask}
    """Tensors whose numbers depend on the mask, and not only on the shape of what does."""
    kept, is_separable = [], True
    for node in graph.node:
        names = set(reads(node))
        if after & names:
            after.update(filter(None, node.output))
            if node.op_type not in SHAPE_READERS and values & names:
                values.update(node.output)
            is_separable &= not _may_mix(node, values)
        elif fed & names:
            fed.update(filter(None, node.output))
            continue
        kept.append(node)
    if output not in after:
        return None
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.value_info[:], result.graph.output[:]
    result.graph.node.extend(kept)
    read = {name for node in kept for name in reads(node)}
    between = [name for name in dict.fromkeys((*sorted(inputs), *_outputs(graph))) if name in read & fed]
    for place in reversed(range(len(result.graph.input))):
        if result.graph.input[place].name in inputs:
            del result.graph.input[place]
    result.graph.input.extend(ValueInfoProto(name=name) for name in between)
    tail = cut(result, [output])
    needed = {value.name for value in tail.graph.input}
    between = [name for name in between if name in needed]
    computed = [name for name in between if name not in inputs]
    return Halves(tuple(between), cut(model, computed) if computed else None, tail, is_separable)


def _may_mix(node: NodeProto, values: Collection[str]) -> bool:
    """Whether a node may compute something over all pictures of a batch that tests hardly notice."""
    inside = [each for body in bodies(node) for each in body.node]
    if inside and (node.op_type != "If" or node.input[0] in values):
        return True
    return node.op_type in MIXING or any(each.op_type in MIXING or any(bodies(each)) for each in inside)


def _outputs(graph: GraphProto) -> Iterator[str]:
    yield from (name for node in graph.node for name in node.output if name)


def typed(
    tail: ModelProto, mask: str, layout: str, values: Mapping[str, NDArray[Any]]
) -> tuple[ModelProto, int]:
    """The tail with the types of its inputs, and the elements of its largest tensor for one picture.

    Parameters
    ----------
    values
        What the head computed. All sizes stay free.

    Raises
    ------
    RuntimeFailure
        ONNX cannot express a type.
    """
    result = ModelProto()
    result.CopyFrom(tail)
    for value in result.graph.input:
        if value.name in values:
            array = values[value.name]
            try:
                kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            except (AttributeError, KeyError, ValueError):
                raise RuntimeFailure(
                    f"the network cannot be cut at the tensor '{shown(value.name)}', which is no array"
                ) from None
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, array.shape))
    shapes = known_shapes(inferred(without_weights(result))).values()
    sizes = [array.size for array in values.values()] + [product(shape) for shape in shapes]
    for value in result.graph.input:
        if value.name in values or value.name == mask:
            rank = values[value.name].ndim if value.name in values else len(layout)
            kind = value.type.tensor_type.elem_type
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, [None] * rank))
    return result, max(sizes, default=1)
