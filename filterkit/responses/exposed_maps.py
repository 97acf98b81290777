"""Let feature maps leave a session beside what they are reduced to."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from filterkit.graph.loading.names import free_name


def expose_maps(model: ModelProto, tensors: Iterable[str]) -> dict[str, str]:
    """Add an output with each tensor as float32, in place; returns the names of the outputs by tensor."""
    graph = model.graph
    used = {name for node in graph.node for name in (*node.input, *node.output)}
    used |= {value.name for value in (*graph.input, *graph.initializer)}
    taken = dict.fromkeys(used, 0)
    exposed: dict[str, str] = {}
    for tensor in tensors:
        name = exposed[tensor] = free_name("filterkit_maps", taken)
        graph.node.append(helper.make_node("Cast", [tensor], [name], to=TensorProto.FLOAT))
        graph.output.append(ValueInfoProto(name=name))
    return exposed
