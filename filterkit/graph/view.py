"""A graph to look things up in: who makes a tensor, who reads it, its shape, and its value if constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from filterkit.graph.constants import NotConstant, fold, is_foldable, why_not_constant
from filterkit.graph.load import load_model
from filterkit.graph.shapes import MOST_ROUNDS, settle
from filterkit.graph.slim import at_sizes, inferred, without_weights
from filterkit.graph.tensors import dtype_name
from filterkit.graph.walk import attributes, reads

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A real input of the model: name, element type, and shape (None where nothing is said of its rank)."""

    name: str
    dtype: str
    shape: Shape | None


def open_graph(path: Path) -> GraphView:
    """Load an ONNX file and view it; raises as `load_model` does."""
    return GraphView(load_model(path), Path(path))


class GraphView:
    """Read-only view of a model's main graph.

    Parameters
    ----------
    model
        A model from `load_model`: checked, nodes in topological order.
    path
        Its file; external data lies beside it.

    Attributes
    ----------
    opset
        Version of the standard operators.
    inputs
        Real inputs only: initializers that are also listed as inputs are constants.
    nodes
        In topological order.
    """

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        graph = model.graph
        self.model = model
        self.path = Path(path)
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
        self.producer_name = f"{model.producer_name} {model.producer_version}".strip()
        self._stored: dict[str, onnx.TensorProto | onnx.SparseTensorProto] = {
            **{tensor.name: tensor for tensor in graph.initializer},
            **{tensor.values.name: tensor for tensor in graph.sparse_initializer},
        }
        self.inputs = tuple(
            GraphInput(value.name, dtype_name(value.type.tensor_type.elem_type), shape_of(value))
            for value in graph.input
            if value.name not in self._stored
        )
        self.outputs = tuple(value.name for value in graph.output)
        self.nodes = tuple(graph.node)
        self._maker = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._constants = set(self._stored)
        for node in self.nodes:
            for name in dict.fromkeys(reads(node)):
                self._readers.setdefault(name, []).append(node)
            if is_foldable(node) and all(name in self._constants for name in node.input if name):
                self._constants.update(filter(None, node.output))

    @property
    def folder(self) -> Path:
        """Where external data lies."""
        return self.path.parent

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """The node that makes a tensor; None for inputs, initializers and unknown names."""
        index = self._maker.get(tensor)
        return None if index is None else self.nodes[index]

    def index_of_producer(self, tensor: str) -> int | None:
        """Position in `nodes` of the node that makes a tensor."""
        return self._maker.get(tensor)

    def consumers(self, tensor: str) -> tuple[onnx.NodeProto, ...]:
        """The nodes that read a tensor, themselves or in a body; each once."""
        return tuple(self._readers.get(tensor, ()))

    def stored(self, tensor: str) -> onnx.TensorProto | onnx.SparseTensorProto:
        """The initializer of this name; raises NotConstant where there is none."""
        if tensor not in self._stored:
            raise NotConstant(why_not_constant(self, tensor))
        return self._stored[tensor]

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor's value follows from constants alone; computes nothing."""
        return tensor in self._constants

    def constant(self, tensor: str) -> NDArray[Any]:
        """The value of a constant tensor, through any chain of nodes with constant inputs.

        Raises
        ------
        NotConstant
            It depends on the model's input, or would take too much to compute.
        """
        if tensor not in self._constants:
            raise NotConstant(why_not_constant(self, tensor))
        value = fold(self, tensor)
        value.flags.writeable = False
        return value

    def shape(self, tensor: str) -> Shape | None:
        """Shape of a tensor: numbers, names, None for unknown axes; None where the rank is unknown."""
        return self._shapes.get(tensor)

    def at_sizes(
        self, sizes: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Shape], dict[str, NDArray[Any]]]:
        """Shapes of all tensors for inputs of the given sizes, and what the graph computes from shapes alone.

        Where the sizes do not fit the graph, shapes are missing.
        """
        trial = at_sizes(self._skeleton, sizes)
        shapes = self._told(inferred(trial))
        for _ in range(MOST_ROUNDS):
            if not settle(trial, {name: shape for name, shape in shapes.items() if is_known(shape)}):
                break
            shapes = self._told(inferred(trial))
        made = (node for node in trial.graph.node if node.op_type == "Constant")
        settled = {node.output[0]: attributes(node) for node in made}
        return shapes, {
            name: numpy_helper.to_array(v["value"]) for name, v in settled.items() if "value" in v
        }

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return self._told(inferred(self._skeleton))

    @cached_property
    def _skeleton(self) -> onnx.ModelProto:
        return without_weights(self.model)

    def _told(self, graph: onnx.GraphProto) -> dict[str, Shape]:
        values = (*graph.value_info, *graph.output, *graph.input)
        shapes = {value.name: shape for value in values if (shape := shape_of(value)) is not None}
        return shapes | {tensor.name: tuple(tensor.dims) for tensor in self.model.graph.initializer}


def is_known(shape: Shape) -> TypeGuard[tuple[int, ...]]:
    """Whether every axis is a number."""
    return all(isinstance(size, int) for size in shape)


def shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """The declared shape, None where there is none."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in value.type.tensor_type.shape.dim
    )
