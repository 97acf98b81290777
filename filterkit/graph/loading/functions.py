"""Model-local functions: each call becomes what the function holds, and nothing else has to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from filterkit import budget
from filterkit.errors import ModelError
from filterkit.graph.loading import sandbox
from filterkit.graph.loading.names import shown
from filterkit.graph.view.walk import bodies

MOST_NODES = 2**17
"""How many nodes the calls may become; functions that call functions ask for any number."""

Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


def inline(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, which may be used up, with its functions in the place of their calls.

    Functions of another opset than the model's are left as they are.

    Raises
    ------
    ModelError
        Functions call each other in a circle, or come to too many nodes.
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
            "its functions come to too many nodes", hint="export the model again, without functions"
        )
    try:
        return _inlined(model)
    except sandbox.Failed as error:
        raise ModelError("its functions cannot be put together", hint="export the model again") from error


def _inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """As `sandbox.inlined`, which is handed no weights: they are neither inlined nor renamed."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    stubs = [onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[0]) for name in weights]
    del model.graph.initializer[:]
    model.graph.initializer.extend(stubs)
    result = sandbox.inlined(model)
    for tensor in result.graph.initializer:
        tensor.CopyFrom(weights[tensor.name])
    return result


def _measure(start: Key, functions: dict[Key, onnx.FunctionProto], sizes: dict[Key, int]) -> None:
    """Fill in how many nodes a call of `start`, and of all that it calls, becomes; without recursion."""
    if start in sizes:
        return
    pending = [(start, _called(start, functions))]
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
            pending.append((called, _called(called, functions)))


def _called(key: Key, functions: dict[Key, onnx.FunctionProto]) -> Iterator[Key]:
    """The functions that one calls."""
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
