"""Rewrite graphs into a simpler form: inline model-local functions, and replace CastLike by Cast.

Only the type of CastLike's second input matters. Otherwise a constant that is cast to the type of the picture
would appear to be computed from the picture.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

import onnx

from filterkit import budget
from filterkit.errors import ModelError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import shown
from filterkit.graph.view.constants import constant_type
from filterkit.graph.view.walk import STANDARD, bodies

MOST_NODES = 2**17
"""How many nodes the calls may expand to; functions that call functions can expand exponentially."""

Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def inline(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined; the given model may be modified.

    Functions of another opset than the model's are left as they are.

    Raises
    ------
    ModelError
        Functions call each other recursively, or expand to too many nodes.
    """
    if not model.functions:
        return model
    functions = {(each.domain, each.name, each.overload): each for each in model.functions}
    sizes: dict[Key, int] = {}
    for key in functions:
        budget.step("counting the nodes of function '{}'", key[1])
        _measure(key, functions, sizes)
    if _size(model.graph.node, sizes) > MOST_NODES:
        raise ModelError(
            "its functions expand to too many nodes", hint="export the model again, without functions"
        )
    try:
        return _inlined(model)
    except sandbox.Failed as error:
        raise ModelError("its functions cannot be inlined", hint="export the model again") from error


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """As `sandbox.inlined`, but weights are not sent to the other process: inlining does not change them."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    stubs = [onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[0]) for name in weights]
    del model.graph.initializer[:]
    model.graph.initializer.extend(stubs)
    result = sandbox.inlined(model)
    for tensor in result.graph.initializer:
        tensor.CopyFrom(weights[tensor.name])
    return result


def _measure(start: Key, functions: dict[Key, onnx.FunctionProto], sizes: dict[Key, int]) -> None:
    """Store in `sizes` how many nodes a call of `start` expands to, and of every function it calls.

    Iterative, since calls may be nested deeper than Python allows recursion.
    """
    if start in sizes:
        return
    pending = [(start, _callees(start, functions))]
    open_ = {start}
    while pending:
        key, calls = pending[-1]
        called = next((one for one in calls if one not in sizes), None)
        if called is None:
            sizes[key] = min(_size(functions[key].node, sizes), MOST_NODES + 1)
            open_.discard(key)
            pending.pop()
        elif called in open_:
            raise ModelError(
                f"its function '{shown(key[1])}' calls itself", hint="fetch the model from a source you trust"
            )
        else:
            open_.add(called)
            pending.append((called, _callees(called, functions)))


def _callees(key: Key, functions: dict[Key, onnx.FunctionProto]) -> Iterator[Key]:
    """The model-local functions that one calls."""
    return (one for one in _calls(functions[key].node) if one in functions)


def _size(nodes: Iterable[onnx.NodeProto], sizes: dict[Key, int]) -> int:
    return sum(
        sizes.get(_key(node), 1) + sum(_size(body.node, sizes) for body in bodies(node)) for node in nodes
    )


def _calls(nodes: Iterable[onnx.NodeProto]) -> Iterator[Key]:
    for node in nodes:
        yield _key(node)
        for body in bodies(node):
            yield from _calls(body.node)


def _key(node: onnx.NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


_OF_FIRST_INPUT = frozenset(
    (
        *("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat", "Pad"),
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Relu", "Sigmoid", "Tanh", "Clip"),
        *("LeakyRelu", "PRelu", "Elu", "Selu", "Softmax", "HardSigmoid", "HardSwish", "Softplus", "Erf"),
        *("Add", "Sub", "Mul", "Div", "Pow", "Neg", "Abs", "Sqrt", "Exp", "Log", "Min", "Max", "Sum", "Mean"),
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize", "Upsample", "Dropout"),
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "Expand", "Tile", "Gather", "Split"),
        *(
            "DepthToSpace",
            "SpaceToDepth",
            "InstanceNormalization",
            "LayerNormalization",
            "GroupNormalization",
        ),
    )
)
"""Operators whose outputs have the type of their first input."""


def replace_cast_like(model: onnx.ModelProto) -> None:
    """Replace every CastLike whose target type is known by a Cast, in nested bodies as well."""
    if any(node.op_type == "CastLike" for node in _nodes(model.graph)):
        _replace_in(model.graph, {})


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = list(graph.node)
    for node in found:  # which grows during the iteration
        for body in bodies(node):
            found.extend(body.node)
    return found


def _replace_in(graph: onnx.GraphProto, outer: MutableMapping[str, int]) -> None:
    declared = (*graph.value_info, *graph.input, *graph.output)
    own = {value.name: value.type.tensor_type.elem_type for value in declared}
    own |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    types = ChainMap(own, outer)  # copies would take quadratic time where bodies are as many as names
    for node in graph.node:
        like = types.get(node.input[1], 0) if node.op_type == "CastLike" and len(node.input) > 1 else 0
        if like and node.domain in STANDARD:
            node.op_type = "Cast"
            node.input[:] = node.input[:1]
            node.attribute.append(onnx.helper.make_attribute("to", like))
        for output in filter(None, node.output):
            if not types.get(output):
                types[output] = _output_type(node, types)
        for body in bodies(node):
            _replace_in(body, types)


def _output_type(node: onnx.NodeProto, types: Mapping[str, int]) -> int:
    """The element type of a node's outputs; 0 where it is unknown."""
    if node.domain not in STANDARD:
        return 0
    if node.op_type == "Cast":
        return next((int(each.i) for each in node.attribute if each.name == "to"), 0)
    if node.op_type == "Constant":
        integers = any(each.name in ("value_int", "value_ints") for each in node.attribute)
        return int(onnx.TensorProto.INT64) if integers else constant_type(node)
    return types.get(node.input[0], 0) if node.input and node.op_type in _OF_FIRST_INPUT else 0
