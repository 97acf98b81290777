"""Cut a graph at the wanted tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import bodies, reads


def cut(model: ModelProto, outputs: Sequence[str]) -> ModelProto:
    """Keep only what `outputs` depend on, and make them the graph's outputs.

    Requesting one tensor from a session of the whole graph runs the whole graph; a session of the cut graph
    runs only the ancestors of that tensor. Nodes keep their order, weights that are kept are copied once, and
    initializers that are also listed as inputs become plain constants, so that ONNX Runtime can fold them.

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
        alone, which ONNX Runtime accepts and ``onnx.checker`` does not.

    Raises
    ------
    NotFoundError
        The main graph has no tensor of this name.
    UsageError
        `outputs` is empty.
    """
    if not outputs:
        raise UsageError("a graph must be cut at one tensor or more")
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
    _clear_duplicate_names(kept)
    kept.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    kept.sparse_initializer.extend(
        tensor for tensor in graph.sparse_initializer if tensor.values.name in needed
    )
    kept.quantization_annotation.extend(
        note for note in graph.quantization_annotation if note.tensor_name in needed
    )
    constants = set(_initializers(graph))
    # IR 3 requires every initializer to be listed as an input, and treats it as a constant nevertheless.
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


def _clear_duplicate_names(graph: GraphProto) -> None:
    """Clear the names of nodes that repeat another's: ONNX Runtime rejects duplicates."""
    taken: set[str] = set()
    for node in graph.node:
        if node.name in taken:
            node.ClearField("name")
        taken.add(node.name)
        for body in bodies(node):
            _clear_duplicate_names(body)


def ancestors(graph: GraphProto, outputs: Sequence[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that `outputs` depend on, in the graph's order, and the names of all tensors involved."""
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
                f"tensor '{shown(name)}' is in the body of {place}",
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
