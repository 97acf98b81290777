"""Cutting a graph at the tensors that are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import bodies, reads


def cut(model: ModelProto, outputs: Sequence[str]) -> ModelProto:
    """Keep only what `outputs` need, and make them the graph's outputs.

    Asking a session of the whole graph for one tensor still runs the whole graph; a session of the cut graph
    runs what stands before that tensor. Nodes keep their order, the weights that stay are copied once, and
    initializers that are also listed as inputs become plain constants, so that ONNX Runtime may fold them.

    Parameters
    ----------
    model
        Not changed.
    outputs
        Names of tensors of the main graph, in the order in which the session will return them.

    Returns
    -------
    ModelProto
        With the opsets, functions and IR version of `model`. An output of unknown type is listed by its name
        alone, which ONNX Runtime takes and ``onnx.checker`` does not.

    Raises
    ------
    NotFoundError
        A name is no tensor of the main graph.
    UsageError
        No output was named.
    """
    if not outputs:
        raise UsageError("a graph cannot be cut at no tensor at all")
    graph = model.graph
    known = {*(value.name for value in graph.input), *_initializers(graph)}
    known.update(name for node in graph.node for name in node.output if name)
    for name in outputs:
        if name not in known:
            raise _unknown(graph, name, known)
    nodes, needed = ancestors(graph, outputs)

    result = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    result.producer_version = model.producer_version
    result.opset_import.extend(model.opset_import)
    result.functions.extend(model.functions)
    result.metadata_props.extend(model.metadata_props)
    kept = result.graph
    kept.name = graph.name or "graph"
    kept.node.extend(nodes)
    _tell_apart(kept)
    kept.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    kept.sparse_initializer.extend(
        tensor for tensor in graph.sparse_initializer if tensor.values.name in needed
    )
    kept.quantization_annotation.extend(
        note for note in graph.quantization_annotation if note.tensor_name in needed
    )
    constants = set(_initializers(graph))
    # IR 3 demands that every initializer is listed as an input, and treats it as a constant all the same.
    kept.input.extend(
        value
        for value in graph.input
        if value.name in needed and (model.ir_version < 4 or value.name not in constants)
    )
    declared = {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
    wanted = tuple(dict.fromkeys(outputs))
    kept.output.extend(declared.get(name, ValueInfoProto(name=name)) for name in wanted)
    made = {name for node in nodes for name in node.output} - set(wanted)
    kept.value_info.extend(value for value in graph.value_info if value.name in made)
    return result


def _tell_apart(graph: GraphProto) -> None:
    """Take the name from a node where another has it: ONNX Runtime refuses names that come twice."""
    taken: set[str] = set()
    for node in graph.node:
        if node.name in taken:
            node.ClearField("name")
        taken.add(node.name)
        for body in bodies(node):
            _tell_apart(body)


def ancestors(graph: GraphProto, outputs: Sequence[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that `outputs` need, in the graph's order, and the names of all tensors they touch."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needed: set[str] = set()
    kept: set[int] = set()
    pending = list(outputs)
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        index = producers.get(name)
        if index is not None and index not in kept:
            kept.add(index)
            pending.extend(reads(graph.node[index]))
    return [graph.node[index] for index in sorted(kept)], needed


def _unknown(graph: GraphProto, name: str, known: set[str]) -> NotFoundError:
    for node in graph.node:
        if any(name in inner.output for body in bodies(node) for inner in _all_nodes(body)):
            place = f"{node.op_type} node '{shown(node.name)}'"
            return NotFoundError(
                f"tensor '{shown(name)}' stands inside the body of {place}",
                hint="only tensors of the main graph can be exposed",
            )
    return NotFoundError(f"the graph has no tensor '{shown(name)}'", hint=closest(name, map(shown, known)))


def _all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for body in bodies(node):
            yield from _all_nodes(body)


def _initializers(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
