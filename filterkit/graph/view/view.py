"""Lookups in a graph: the producer and consumers of a tensor, its shape, and its value if constant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard
from weakref import WeakValueDictionary

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from filterkit import budget
from filterkit.geometry import MOST_AXES
from filterkit.graph.loading.tensors import dtype_name
from filterkit.graph.view.constants import Budget, NotConstant, constant_type, fold
from filterkit.graph.view.foldable import cost_of, is_computable, why_not_constant
from filterkit.graph.view.shapes import (
    at_sizes,
    fold_shape_arithmetic,
    inferred,
    most_rounds,
    without_weights,
)
from filterkit.graph.view.walk import MAIN, Body, attributes, bodies_in, opset_of, reads
from filterkit.short_reprs import shortened

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A real input of the model: name, element type, and shape (None where the rank is unknown)."""

    name: str
    dtype: str
    shape: Shape | None


class GraphView:
    """Read-only view of a model's main graph, or of a body of one of its nodes.

    Names that a body does not define itself are looked up in the graphs around it.

    Parameters
    ----------
    model
        A model from `load_model`: checked, nodes in topological order.
    path
        Its file; external data is stored beside it.
    body, outer
        The body to view, and the view of the graph around it; None for the main graph.

    Attributes
    ----------
    opset
        Version of the standard operators.
    inputs
        Real inputs only: initializers that are also listed as inputs are constants.
    nodes
        In topological order.
    scope
        Path of the body, empty in the main graph; see `scopes.Body`.
    depth
        How many graphs enclose it.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        path: Path,
        body: Body | None = None,
        outer: GraphView | None = None,
    ) -> None:
        graph = body.graph if body is not None else model.graph
        self.model = model
        self.path = Path(path)
        self.body, self.outer = body, outer
        self.scope = body.scope if body is not None else MAIN
        self.depth: int = outer.depth + 1 if outer is not None else 0
        self.opset = opset_of(model)
        self.producer_name = f"{model.producer_name} {model.producer_version}".strip()
        self._graph = graph
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
        self._producer_index = {
            name: index for index, node in enumerate(self.nodes) for name in node.output if name
        }
        self._defined = {*self._producer_index, *self._stored, *(value.name for value in self.inputs)}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._constants = set(self._stored)
        self._values: WeakValueDictionary[str, NDArray[Any]] = WeakValueDictionary()
        self._failed: dict[str, str] = {}
        for node in self.nodes:
            budget.step("indexing node '{0.name}' ({0.op_type})", node)
            names = dict.fromkeys(reads(node))
            for name in names:
                self._readers.setdefault(name, []).append(node)
            if is_computable(node) and all(map(self.is_constant, names)):
                self._constants.update(filter(None, node.output))

    def __repr__(self) -> str:
        body = f", body {self.scope!r}" if self.scope else ""
        return shortened(f"<GraphView of {self.path.name!r}{body}: {len(self.nodes):,} nodes>")

    def copy(self) -> GraphView:
        """A view of the main graph of a copy of the model; changes to it do not affect this view."""
        return GraphView(deepcopy(self.model), self.path)

    @property
    def folder(self) -> Path:
        """The folder of external data."""
        return self.path.parent

    @cached_property
    def budget(self) -> Budget:
        """What is left for computing constants, in all graphs of the model together."""
        return self.outer.budget if self.outer is not None else Budget.of(self.model)

    def bodies(self) -> Iterator[GraphView]:
        """Views of the bodies of this graph's nodes, in the graph's order, without those nested in them."""
        yield from self._bodies

    def with_bodies(self) -> Iterator[GraphView]:
        """This view, and those of all bodies in it, at every depth."""
        yield self
        for body in self._bodies:
            yield from body.with_bodies()

    def home(self, tensor: str) -> GraphView | None:
        """The graph that defines a tensor, this one or one around it; None if there is none."""
        view: GraphView | None = self
        while view is not None and tensor not in view._defined:
            view = view.outer
        return view

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """The node that produces a tensor; None for inputs, initializers and unknown names."""
        home = self.home(tensor)
        index = home.index_of_producer(tensor) if home is not None else None
        return home.nodes[index] if home is not None and index is not None else None

    def index_of_producer(self, tensor: str) -> int | None:
        """Index in `nodes` of the node that produces a tensor of this graph itself."""
        return self._producer_index.get(tensor)

    def consumers(self, tensor: str) -> tuple[onnx.NodeProto, ...]:
        """The nodes of this graph that read a tensor, directly or in a body; each once."""
        return tuple(self._readers.get(tensor, ()))

    def gives_out(self, tensor: str) -> bool:
        """Whether a tensor is an output of this graph."""
        return tensor in self._output_names

    def stored(self, tensor: str) -> onnx.TensorProto | onnx.SparseTensorProto:
        """The initializer of this name; raises NotConstant if there is none."""
        home = self.home(tensor)
        if home is None or tensor not in home._stored:
            raise NotConstant(why_not_constant(self, tensor))
        return home._stored[tensor]

    def stored_type(self, tensor: str) -> int:
        """ONNX element type of an initializer or of the output of a Constant node of this graph."""
        found = self._stored.get(tensor)
        if found is None:
            return constant_type(self.nodes[self._producer_index[tensor]])
        return int((found.values if isinstance(found, onnx.SparseTensorProto) else found).data_type)

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor's value depends on constants only; computes nothing."""
        home = self.home(tensor)
        return home is not None and tensor in home._constants

    def constant(self, tensor: str) -> NDArray[Any]:
        """The value of a constant tensor, through any chain of nodes with constant inputs.

        The same array is returned as long as it is referenced anywhere.

        Raises
        ------
        NotConstant
            It depends on the model's input, or is too expensive to compute.
        """
        home = self.home(tensor)
        if home is None or tensor not in home._constants:
            raise NotConstant(why_not_constant(self, tensor))
        value = home._values.get(tensor)
        if tensor in home._failed:
            raise NotConstant(home._failed[tensor])
        if value is None:
            try:
                value = fold(home, tensor)
            except NotConstant as error:
                home._failed[tensor] = error.reason  # which saves the time of the next attempt
                raise
            value.flags.writeable = False
            home._values[tensor] = value
        self.budget.take(cost_of(value))
        return value

    def held(self, tensor: str) -> NDArray[Any] | None:
        """The value of a constant tensor of this graph itself, if it was computed and is still referenced."""
        return self._values.get(tensor)

    def shape(self, tensor: str) -> Shape | None:
        """Shape of a tensor: integers, names, None for unknown axes; None where the rank is unknown."""
        home = self.home(tensor)
        return home._shapes.get(tensor) if home is not None else None

    def at_sizes(
        self, sizes: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Shape], dict[str, NDArray[Any]]]:
        """Shapes of all tensors for inputs of the given sizes, and the values computed from shapes only.

        Where the sizes are not valid for the graph, shapes are missing.
        """
        budget.step("running onnx's shape inference")
        trial = at_sizes(self._skeleton, sizes)
        shapes = self._shapes_of(inferred(trial))
        for _ in range(most_rounds(trial)):
            budget.step("computing shapes")
            if not fold_shape_arithmetic(
                trial, {name: shape for name, shape in shapes.items() if is_known(shape)}
            ):
                break
            shapes = self._shapes_of(inferred(trial))
        constants = (node for node in trial.graph.node if node.op_type == "Constant")
        values = {node.output[0]: attributes(node).get("value") for node in constants}
        return shapes, {name: numpy_helper.to_array(v) for name, v in values.items() if v is not None}

    @cached_property
    def _output_names(self) -> frozenset[str]:
        return frozenset(self.outputs)

    @cached_property
    def _bodies(self) -> tuple[GraphView, ...]:
        bodies = bodies_in(self._graph, self.scope)
        return tuple(GraphView(self.model, self.path, body, self) for body in bodies)

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return self._shapes_of(inferred(self._skeleton) if self.outer is None else self._graph)

    @cached_property
    def _skeleton(self) -> onnx.ModelProto:
        return without_weights(self.model)

    def _shapes_of(self, graph: onnx.GraphProto) -> dict[str, Shape]:
        values = (*graph.value_info, *graph.output, *graph.input)
        shapes = {value.name: shape for value in values if (shape := shape_of(value)) is not None}
        return shapes | {tensor.name: tuple(tensor.dims) for tensor in self._graph.initializer}


def is_known(shape: Shape) -> TypeGuard[tuple[int, ...]]:
    """Whether the size of every axis is known."""
    return all(isinstance(size, int) for size in shape)


def shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """The declared shape; None if there is none, or if it has more axes than an array can have.

    Sizes below 1 are treated as unknown, for which some exporters write them.
    """
    dims = value.type.tensor_type.shape.dim
    if not value.type.tensor_type.HasField("shape") or len(dims) > MOST_AXES:
        return None
    return tuple(dim.dim_value if dim.dim_value > 0 else dim.dim_param or None for dim in dims)
