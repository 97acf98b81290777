"""Cutting a graph at the tensors that are wanted, and freeing the picture size that a file fixes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from filterkit.errors import NotFoundError, UsageError, closest

SMALL = 1024
"""Tensors of at most so many elements can hold a shape, and stay where shapes are inferred; weights do not."""

Shapes = Mapping[str, tuple[int, ...]]


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
    nodes, needed = _ancestors(graph, outputs)

    result = ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    result.producer_version = model.producer_version
    result.opset_import.extend(model.opset_import)
    result.functions.extend(model.functions)
    result.metadata_props.extend(model.metadata_props)
    kept = result.graph
    kept.name = graph.name or "graph"
    kept.node.extend(nodes)
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
    known = {value.name: value for value in (*graph.input, *graph.value_info, *graph.output)}
    wanted = tuple(dict.fromkeys(outputs))
    kept.output.extend(known.get(name, ValueInfoProto(name=name)) for name in wanted)
    made = {name for node in nodes for name in node.output} - set(wanted)
    kept.value_info.extend(value for value in graph.value_info if value.name in made)
    return result


def _ancestors(graph: GraphProto, outputs: Sequence[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that `outputs` need, in the graph's order, and the names of all tensors they touch."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    leaves = {value.name for value in graph.input} | set(_initializers(graph))
    for name in outputs:
        if name not in producers and name not in leaves:
            raise _unknown(graph, name, leaves | producers.keys())

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
            pending.extend(_reads(graph.node[index]))
    return [graph.node[index] for index in sorted(kept)], needed


def _unknown(graph: GraphProto, name: str, known: set[str]) -> NotFoundError:
    for node in graph.node:
        for body in _bodies(node):
            if any(name in inner.output for inner in _all_nodes(body)):
                return NotFoundError(
                    f"tensor '{name}' stands inside the body of {node.op_type} node '{node.name}'",
                    hint="only tensors of the main graph can be exposed",
                )
    return NotFoundError(f"the graph has no tensor '{name}'", hint=closest(name, known))


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for body in _bodies(node):
            yield from _all_nodes(body)


def _initializers(graph: GraphProto) -> Iterator[str]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)


def _reads(node: NodeProto) -> Iterator[str]:
    """Names that a node needs from its scope: its inputs, and what its bodies take from outside."""
    yield from filter(None, node.input)
    for body in _bodies(node):
        own = {value.name for value in body.input} | set(_initializers(body))
        own.update(name for inner in body.node for name in inner.output)
        read = {name for inner in body.node for name in _reads(inner)}
        read.update(value.name for value in body.output)
        yield from sorted(read - own)


def free_sizes(model: ModelProto, input_name: str, layout: str) -> ModelProto:
    """Make the number of pictures and their size symbolic, where the graph allows.

    A file often fixes sizes that its convolutions do not need, and sometimes ones that it does need (a dense
    head, a Reshape to constants). Which of the two is found by inferring all shapes once at the declared size
    and once at another: a size is freed where inference reaches every tensor without a contradiction, every
    Reshape keeps its number of elements, and no axis that counted pictures starts to count positions. What
    cannot be shown to be free keeps its size. Weights stay outside of the inference, so it takes milliseconds.

    Parameters
    ----------
    model
        Changed in place, since a copy would double the weights. Shapes that no longer hold are dropped.
    input_name
        The picture input.
    layout
        Its axes, ``"NCHW"``, ``"NHWC"``, ``"NCW"``, …; freed axes are named by these letters.

    Returns
    -------
    ModelProto
        `model` itself.

    Raises
    ------
    NotFoundError
        The graph has no such input.
    """
    value = next((value for value in model.graph.input if value.name == input_name), None)
    if value is None:
        raise NotFoundError(
            f"the graph has no input '{input_name}'",
            hint=closest(input_name, (value.name for value in model.graph.input)),
        )
    dims = value.type.tensor_type.shape.dim
    if len(dims) != len(layout):
        return model
    skeleton = _skeleton(model)
    free = _free_axes(skeleton, input_name, layout, [dim.dim_value for dim in dims])
    for axis in free:
        dims[axis].dim_param = layout[axis]
    if free:
        _forget_shapes(model.graph)
    _describe_outputs(model, skeleton, value)
    return model


def _free_axes(skeleton: ModelProto, input_name: str, layout: str, declared: Sequence[int]) -> list[int]:
    """Axes that may take any size; `declared` holds 0 where the file leaves the size open."""
    batch = [axis for axis, letter in enumerate(layout) if letter == "N"]
    space = [axis for axis, letter in enumerate(layout) if letter not in "NC"]
    # Steps of 64 keep the halves and doubles of encoders and decoders aligned, and differ by axis.
    base = [size or (3 if axis in batch else 256) for axis, size in enumerate(declared)]
    larger = [size + 64 * (axis + 1) if axis in space else size for axis, size in enumerate(base)]
    more = [size + 2 if axis in batch else size for axis, size in enumerate(base)]

    before = _shapes_at(skeleton, input_name, base)
    with_more = _shapes_at(skeleton, input_name, more)
    with_larger = _shapes_at(skeleton, input_name, larger)
    free = [axis for axis, size in enumerate(declared) if size == 0 and layout[axis] != "C"]
    if before is None:
        return free
    if with_more is not None:
        free += batch
    if with_larger is not None and not _mixes(base, more, (before, with_more, with_larger), batch):
        free += space
    return sorted(set(free))


def _mixes(
    base: Sequence[int],
    more: Sequence[int],
    shapes: tuple[Shapes, Shapes | None, Shapes],
    batch: Sequence[int],
) -> bool:
    """Whether an axis that counted pictures counts positions too, once pictures are larger."""
    before, with_more, with_larger = shapes
    if with_more is None or not batch:
        return False
    few, many = base[batch[0]], more[batch[0]]
    return any(
        (a, b) == (few, many) and c != few
        for name, shape in before.items()
        for a, b, c in zip(shape, with_more[name], with_larger[name], strict=True)
    )


def _shapes_at(skeleton: ModelProto, input_name: str, sizes: Sequence[int]) -> Shapes | None:
    """The shape of every tensor for an input of `sizes`, or None where the graph does not allow that."""
    trial = ModelProto()
    trial.CopyFrom(skeleton)
    value = next(value for value in trial.graph.input if value.name == input_name)
    for dim, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
        dim.dim_value = size
    try:
        inferred = onnx.shape_inference.infer_shapes(trial, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return None
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
        if value.type.tensor_type.HasField("shape")
        and all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)
    }
    shapes.update((tensor.name, tuple(tensor.dims)) for tensor in skeleton.graph.initializer)
    for node in skeleton.graph.node:
        if any(name and name not in shapes for name in node.output):
            return None
        if node.op_type == "Reshape" and math.prod(shapes[node.output[0]]) != math.prod(
            shapes[node.input[0]]
        ):
            return None
    return shapes


def _skeleton(model: ModelProto) -> ModelProto:
    """The model without its weights (which become inputs) and without any shape but those of its inputs."""
    graph = model.graph
    bones = ModelProto(ir_version=model.ir_version)
    bones.opset_import.extend(model.opset_import)
    bones.functions.extend(model.functions)
    bones.graph.name = "skeleton"
    inputs = {value.name: value for value in graph.input}
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= SMALL:
            bones.graph.initializer.append(tensor)
        else:
            inputs[tensor.name] = _value_of(tensor, tensor.name)
    for sparse in graph.sparse_initializer:
        inputs[sparse.values.name] = onnx.helper.make_tensor_value_info(
            sparse.values.name, sparse.values.data_type, sparse.dims
        )
    for node in graph.node:
        tensor = next((attribute.t for attribute in node.attribute if attribute.HasField("t")), None)
        if node.op_type == "Constant" and tensor is not None and math.prod(tensor.dims) > SMALL:
            inputs[node.output[0]] = _value_of(tensor, node.output[0])
        else:
            bones.graph.node.append(node)
    bones.graph.input.extend(inputs.values())
    bones.graph.output.extend(ValueInfoProto(name=value.name) for value in graph.output)
    _forget_shapes(bones.graph)
    return bones


def _value_of(tensor: TensorProto, name: str) -> ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, tensor.data_type, tensor.dims)


def _forget_shapes(graph: GraphProto) -> None:
    """Drop every shape but those of the inputs, in bodies too."""
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for body in _bodies(node):
            _forget_shapes(body)


def _describe_outputs(model: ModelProto, skeleton: ModelProto, value: ValueInfoProto) -> None:
    """Give the outputs the types and shapes that follow from the (freed) input, where that can be told."""
    next(given for given in skeleton.graph.input if given.name == value.name).CopyFrom(value)
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return
    known = {output.name: output for output in inferred.output}
    for output in model.graph.output:
        if known[output.name].type.tensor_type.HasField("shape"):
            output.CopyFrom(known[output.name])
