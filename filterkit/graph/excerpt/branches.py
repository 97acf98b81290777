"""Expose tensors in the branches of an If as outputs of the main graph, dequantized if need be.

The network runs unchanged: if the If takes the other branch, the output is an empty tensor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from filterkit.errors import NotFoundError
from filterkit.graph.excerpt.cut import ancestors
from filterkit.graph.loading.names import free_name, shown
from filterkit.graph.view.shapes import inferred, without_weights
from filterkit.graph.view.walk import MAIN, Body, bodies, bodies_in, opset_of, reads


class Wanted(NamedTuple):
    """A tensor, and the scope it is in (see `filterkit.graph.view.walk`); empty for the main graph."""

    scope: str
    tensor: str


def why_not_exposed(graph: GraphProto, scope: str) -> str | None:
    """Why tensors of the body at `scope` cannot be outputs of the main graph `graph`, for a message.

    Raises
    ------
    NotFoundError
        There is no such body.
    """
    for body in path_to(graph, scope):
        if body.node.op_type != "If":
            where = f"it is in the body of the {body.node.op_type} '{shown(body.node.name)}'"
            return f"{where}, which runs any number of times for one input"
    return None


def expose(model: ModelProto, wanted: Iterable[Wanted]) -> tuple[ModelProto, dict[Wanted, str]]:
    """Make every If around a wanted tensor return that tensor as an additional output, as float32.

    Parameters
    ----------
    model
        Not changed.
    wanted
        Tensors in branches for which `why_not_exposed` returns None.

    Returns
    -------
    ModelProto, dict
        The model, and the names of these tensors in its main graph; where a branch is not taken, the tensor
        has shape (0,).

    Raises
    ------
    NotFoundError
        No node of the branch computes the tensor.
    """
    result = ModelProto()
    result.CopyFrom(model)
    taken = dict.fromkeys(every_name(result.graph), 0)
    names = {}
    for one in wanted:
        path = list(path_to(result.graph, one.scope))
        graph = path[-1].graph
        if not any(one.tensor in node.output for node in graph.node):
            raise NotFoundError(f"no node in '{shown(one.scope)}' computes the tensor '{shown(one.tensor)}'")
        name = free_name(f"{one.tensor} as numbers", taken)
        graph.node.append(
            dequantizing_node(result, graph, one.tensor, name) or float32_cast(one.tensor, name)
        )
        for body in reversed(path):
            name = _add_output(body, name, free_name(f"{body.scope}/{one.tensor}", taken), taken)
        names[one] = name
    return result, names


def prune(nodes: Iterable[NodeProto], needed: Collection[str]) -> None:
    """Remove outputs of Ifs that are not `needed`, and in their branches what only they depend on.

    Parameters
    ----------
    nodes
        Nodes of a cut graph; changed in place.
    needed
        Outputs of the graph; tensors that its nodes read are needed as well.
    """
    nodes = list(nodes)
    needed = {*needed, *(name for node in nodes for name in reads(node))}
    for node in nodes:
        if node.op_type != "If":
            continue
        kept = [place for place, name in enumerate(node.output) if name in needed]
        node.output[:] = [node.output[place] for place in kept]
        for branch in bodies(node):
            _replace(branch.output, [branch.output[place] for place in kept])
            outputs = [value.name for value in branch.output]
            used, touched = ancestors(branch, outputs)
            _replace(branch.node, used)
            _replace(branch.initializer, [each for each in branch.initializer if each.name in touched])
            prune(branch.node, outputs)


def _replace(field: Any, messages: Sequence[Any]) -> None:
    copies = [type(each).FromString(each.SerializeToString()) for each in messages]
    del field[:]
    field.extend(copies)


def _add_output(body: Body, name: str, outside: str, taken: dict[str, int]) -> str:
    """Make the If around `body` return the tensor `name` of this body as the output `outside`."""
    count = len(body.graph.output)
    body.node.output.extend(free_name("unused", taken) for _ in range(count - len(body.node.output)))
    body.node.output.append(outside)
    for attribute in body.node.attribute:
        inside = name
        if attribute.name != body.attribute:
            inside = free_name("not taken", taken)
            nothing = helper.make_tensor(inside, TensorProto.FLOAT, [0], [])
            attribute.g.node.append(helper.make_node("Constant", [], [inside], value=nothing))
        attribute.g.output.append(helper.make_tensor_value_info(inside, TensorProto.FLOAT, None))
    return outside


def path_to(graph: GraphProto, scope: str) -> Iterator[Body]:
    """The bodies that lead to `scope`, from the outermost one to the one at `scope`."""
    here = MAIN
    while here != scope:
        inside = (body for body in bodies_in(graph, here) if f"{scope}/".startswith(f"{body.scope}/"))
        found = max(inside, key=lambda body: len(body.scope), default=None)
        if found is None:
            raise NotFoundError(f"the graph has no body '{shown(scope)}'")
        yield found
        graph, here = found.graph, found.scope


def every_name(graph: GraphProto) -> Iterator[str]:
    """All names of tensors, at every depth."""
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from node.output
        for body in bodies(node):
            yield from every_name(body)


QUANTIZERS = {
    ("", "QLinearConv"): (6, 7),
    ("", "QuantizeLinear"): (1, 2),
    **{
        ("com.microsoft", operator): places
        for operator, places in {
            "QLinearConv": (6, 7),
            "QuantizeLinear": (1, 2),
            "QLinearAdd": (6, 7),
            "QLinearMul": (6, 7),
            "QLinearLeakyRelu": (3, 4),
            "QLinearSigmoid": (3, 4),
            "QLinearAveragePool": (3, 4),
            "QLinearGlobalAveragePool": (3, 4),
        }.items()
    },
}
"""By domain and operator: the indices of the inputs with scale and zero point of the first output."""

SCALE_PRESERVING = frozenset(
    {
        "Identity",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "MaxPool",
        "Relu",
        "Clip",
    }
)
"""Operators whose first output has the scale and zero point of their first input."""

UNCHANGED = frozenset({TensorProto.UNDEFINED, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
"""Types of outputs that are not cast."""


def dequantize_outputs(model: ModelProto) -> list[str]:
    """Convert the graph's outputs to floating-point types that NumPy has.

    A quantized output becomes ``(value - zero_point) * scale``, with the scale and zero point of the operator
    that produces it. Integers (int32 accumulators) and types that NumPy lacks (bfloat16, float8) are cast to
    float32.

    Parameters
    ----------
    model
        Changed in place.

    Returns
    -------
    list of str
        The new names of the outputs, in their order.
    """
    graph = model.graph
    types = {
        output.name: output.type.tensor_type.elem_type for output in inferred(without_weights(model)).output
    }
    names = [output.name for output in graph.output]
    for place, name in enumerate(names):
        renamed = f"{name} as numbers"
        node = dequantizing_node(model, graph, name, renamed)
        if node is None and types.get(name, TensorProto.UNDEFINED) not in UNCHANGED:
            node = float32_cast(name, renamed)
        if node is not None:
            graph.node.append(node)
            graph.output[place].CopyFrom(ValueInfoProto(name=renamed))
            names[place] = renamed
    return names


def dequantizing_node(model: ModelProto, graph: GraphProto, name: str, output: str) -> NodeProto | None:
    """A node that dequantizes the tensor `name` of `graph` (a body or the main graph); None if it is not
    quantized."""
    producers = {each: node for node in graph.node for each in node.output if each}
    quantization = quantization_of(producers, name)
    if quantization is None:
        return None
    domain = "" if opset_of(model) >= 10 else "com.microsoft"
    return helper.make_node("DequantizeLinear", [name, *quantization], [output], domain=domain)


def float32_cast(name: str, output: str) -> NodeProto:
    """A node that casts the tensor `name` to float32."""
    return helper.make_node("Cast", [name], [output], to=TensorProto.FLOAT)


def quantization_of(producers: Mapping[str, NodeProto], name: str) -> list[str] | None:
    """The scale and zero point tensors of `name`; None if it is not quantized."""
    node = producers.get(name)
    while node is not None and node.op_type in SCALE_PRESERVING and node.input and node.output[0] == name:
        name = node.input[0]
        node = producers.get(name)
    if node is None or node.output[0] != name:
        return None
    places = QUANTIZERS.get((node.domain.removeprefix("ai.onnx"), node.op_type))
    if places is None:
        return None
    return [node.input[place] for place in places if place < len(node.input)]
