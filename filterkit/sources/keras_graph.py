"""Clean up the ONNX graph that Keras exports: free its sizes, drop metadata and name its layers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from filterkit.graph.excerpt.cut import cut
from filterkit.graph.excerpt.free_sizes import free_sizes
from filterkit.graph.layers.layers import node_name
from filterkit.graph.loading.load import open_graph
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.sources.keras_export import fingerprint, size_of

_LAYOUTS = {3: "NWC", 4: "NHWC", 5: "NDHWC"}


def tidy(source: Path, target: Path) -> None:
    """Write the exported model at `source` to `target`: the same network, byte for byte reproducible.

    The export fixes batch size and picture size; both are made free where the graph allows. (Where Keras pads
    a strided convolution with "same", the padding remains that of the exported size.) Metadata about the
    exporting machine, such as paths of source files, is dropped.
    """
    model = onnx.load(source)
    _fold_shape_arithmetic(model, source)
    _copy_batch_axis(model, source)
    model = cut(model, [output.name for output in model.graph.output])
    for value in list(model.graph.input):
        axes = len(value.type.tensor_type.shape.dim)
        if axes in _LAYOUTS:
            free_sizes(model, value.name, _LAYOUTS[axes])
    _drop_metadata(model)
    target.write_bytes(model.SerializeToString(deterministic=True))


def _fold_shape_arithmetic(model: onnx.ModelProto, path: Path) -> None:
    """Replace chains of nodes that compute constant pads and shapes with their results.

    PyTorch writes a padding as seven nodes, which block shape inference.
    """
    graph = GraphView(model, path)
    folded: dict[str, onnx.TensorProto] = {}
    for node in graph.nodes:
        if any(graph.is_constant(name) for name in node.output):
            continue
        for name in node.input:
            maker = graph.producer(name)
            if maker is None or name in folded or not graph.is_constant(name):
                continue
            try:
                value = graph.constant(name)
            except NotConstant:
                continue
            if value.dtype == np.int64:
                folded[name] = numpy_helper.from_array(np.array(value), name)
    kept = [node for node in model.graph.node if not folded.keys() & set(node.output)]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(folded.values())


def _copy_batch_axis(model: onnx.ModelProto, path: Path) -> None:
    """Replace a batch size of 1 in the target of a Reshape with 0, which copies that of its input."""
    graph = GraphView(model, path)
    for node in model.graph.node:
        if node.op_type != "Reshape" or not graph.is_constant(node.input[1]):
            continue
        try:
            given, target = graph.shape(node.input[0]), graph.constant(node.input[1])
        except NotConstant:
            continue
        if given and given[0] == 1 and target.size > 0 and target[0] == 1 and 0 not in target:
            name = f"{node.output[0]}_shape"
            model.graph.initializer.append(
                numpy_helper.from_array(np.array([0, *target[1:]], np.int64), name)
            )
            node.input[1] = name
            del node.attribute[:]  # only allowzero, with which a 0 would mean an empty axis


def _drop_metadata(model: onnx.ModelProto) -> None:
    graph = model.graph
    noted = (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer)
    for holder in noted:
        holder.ClearField("doc_string")
        holder.ClearField("metadata_props")


def name_nodes(path: Path, kernels: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Find the layers of a model in its graph by their weights.

    Parameters
    ----------
    path
        The ONNX file.
    kernels
        Name and `fingerprint` of every kernel, in layer order.

    Returns
    -------
    dict
        Maps the name of each node that reads a kernel, whatever its operator, to the name of the layer.
        Layers with identical weights are matched in graph order; other nodes are left out.
    """
    waiting: defaultdict[str, deque[str]] = defaultdict(deque)
    for name, mark in kernels:
        waiting[mark].append(name)
    sizes = {size_of(mark) for mark in waiting}
    marks: dict[str, str] = {}
    names = {}
    for graph, node, tensor in _constants_read(open_graph(path)):
        if tensor not in marks:
            marks[tensor] = _mark(graph, tensor, sizes)
        if candidates := waiting.get(marks[tensor]):
            # A layer may be called several times: keep the last name for all nodes that follow.
            names[node_name(graph, node)] = candidates.popleft() if len(candidates) > 1 else candidates[0]
    return names


def _constants_read(graph: GraphView) -> Iterator[tuple[GraphView, onnx.NodeProto, str]]:
    """Constants read by nodes that are not constant themselves, in graph order, then those in bodies."""
    for node in graph.nodes:
        if not any(map(graph.is_constant, node.output)):
            yield from ((graph, node, name) for name in dict.fromkeys(node.input) if graph.is_constant(name))
    for body in graph.bodies():
        yield from _constants_read(body)


def _mark(graph: GraphView, tensor: str, sizes: Collection[int]) -> str:
    """Fingerprint of a constant; empty if no kernel has its size, or it is too large to compute."""
    try:
        value = graph.constant(tensor)
    except NotConstant:
        return ""
    return fingerprint(value) if value.size in sizes else ""
