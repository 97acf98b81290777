"""A graph to look things up in: who makes a tensor, who reads it, its shape, and its value if constant."""

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
from filterkit.graph.view.foldable import cost_of, is_computable
from filterkit.graph.view.reasons import why_not_constant
from filterkit.graph.view.scopes import MAIN, Body, bodies_in
from filterkit.graph.view.shapes import rounds, settle
from filterkit.graph.view.skeleton import at_sizes, inferred, without_weights
from filterkit.graph.view.walk import attributes, opset_of, reads

Shape = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A real input of the model: name, element type, and shape (None where nothing is said of its rank)."""

    name: str
    dtype: str
    shape: Shape | None


class GraphView:
    """Read-only view of a model's main graph, or of a body that one of its nodes carries.

    A body sees what the graphs around it hold: names that it does not know itself are looked up there.

    Parameters
    ----------
    model
        A model from `load_model`: checked, nodes in topological order.
    path
        Its file; external data lies beside it.
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
        How many graphs are around it.
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
        self._maker = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self._known = {*self._maker, *self._stored, *(value.name for value in self.inputs)}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._constants = set(self._stored)
        self._values: WeakValueDictionary[str, NDArray[Any]] = WeakValueDictionary()
        self._refused: dict[str, str] = {}
        for node in self.nodes:
            budget.step("looking at node '{0.name}' ({0.op_type})", node)
            names = dict.fromkeys(reads(node))
            for name in names:
                self._readers.setdefault(name, []).append(node)
            if is_computable(node) and all(map(self.is_constant, names)):
                self._constants.update(filter(None, node.output))

    def copy(self) -> GraphView:
        """A view of a copy of the model, of its main graph: what is done to that does nothing to this one."""
        return GraphView(deepcopy(self.model), self.path)

    @property
    def folder(self) -> Path:
        """Where external data lies."""
        return self.path.parent

    @cached_property
    def budget(self) -> Budget:
        """What computing constants may take, altogether in all graphs of the model."""
        return self.outer.budget if self.outer is not None else Budget.of(self.model)

    def bodies(self) -> Iterator[GraphView]:
        """Views of the bodies that nodes of this graph carry, in the graph's order; their own bodies not."""
        yield from self._bodies

    def home(self, tensor: str) -> GraphView | None:
        """The graph that holds a tensor of this name, this one or one around it; None where there is none."""
        view: GraphView | None = self
        while view is not None and tensor not in view._known:
            view = view.outer
        return view

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """The node that makes a tensor; None for inputs, initializers and unknown names."""
        home = self.home(tensor)
        index = home.index_of_producer(tensor) if home is not None else None
        return home.nodes[index] if home is not None and index is not None else None

    def index_of_producer(self, tensor: str) -> int | None:
        """Position in `nodes` of the node that makes a tensor of this very graph."""
        return self._maker.get(tensor)

    def consumers(self, tensor: str) -> tuple[onnx.NodeProto, ...]:
        """The nodes of this graph that read a tensor, themselves or in a body; each once."""
        return tuple(self._readers.get(tensor, ()))

    def gives_out(self, tensor: str) -> bool:
        """Whether a tensor is an output of this graph."""
        return tensor in self._given_out

    def stored(self, tensor: str) -> onnx.TensorProto | onnx.SparseTensorProto:
        """The initializer of this name; raises NotConstant where there is none."""
        home = self.home(tensor)
        if home is None or tensor not in home._stored:
            raise NotConstant(why_not_constant(self, tensor))
        return home._stored[tensor]

    def stored_type(self, tensor: str) -> int:
        """ONNX element type of a tensor that an initializer or a constant node of this graph holds."""
        found = self._stored.get(tensor)
        if found is None:
            return constant_type(self.nodes[self._maker[tensor]])
        return int((found.values if isinstance(found, onnx.SparseTensorProto) else found).data_type)

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor's value follows from constants alone; computes nothing."""
        home = self.home(tensor)
        return home is not None and tensor in home._constants

    def constant(self, tensor: str) -> NDArray[Any]:
        """The value of a constant tensor, through any chain of nodes with constant inputs.

        As long as somebody holds it, the same array is given out again.

        Raises
        ------
        NotConstant
            It depends on the model's input, or would take too much to compute.
        """
        home = self.home(tensor)
        if home is None or tensor not in home._constants:
            raise NotConstant(why_not_constant(self, tensor))
        value = home._values.get(tensor)
        if tensor in home._refused:
            raise NotConstant(home._refused[tensor])
        if value is None:
            try:
                value = fold(home, tensor)
            except NotConstant as error:
                home._refused[tensor] = error.reason  # it is asked for again, and would take its time again
                raise
            value.flags.writeable = False
            home._values[tensor] = value
        self.budget.take(cost_of(value))
        return value

    def held(self, tensor: str) -> NDArray[Any] | None:
        """The value of a constant tensor of this very graph, where it was computed and somebody holds it."""
        return self._values.get(tensor)

    def shape(self, tensor: str) -> Shape | None:
        """Shape of a tensor: numbers, names, None for unknown axes; None where the rank is unknown."""
        home = self.home(tensor)
        return home._shapes.get(tensor) if home is not None else None

    def at_sizes(
        self, sizes: Mapping[str, tuple[int, ...]]
    ) -> tuple[dict[str, Shape], dict[str, NDArray[Any]]]:
        """Shapes of all tensors for inputs of the given sizes, and what the graph computes from shapes alone.

        Where the sizes do not fit the graph, shapes are missing.
        """
        budget.step("letting onnx infer shapes")
        trial = at_sizes(self._skeleton, sizes)
        shapes = self._told(inferred(trial))
        for _ in range(rounds(trial)):
            budget.step("computing shapes")
            if not settle(trial, {name: shape for name, shape in shapes.items() if is_known(shape)}):
                break
            shapes = self._told(inferred(trial))
        made = (node for node in trial.graph.node if node.op_type == "Constant")
        settled = {node.output[0]: attributes(node) for node in made}
        return shapes, {
            name: numpy_helper.to_array(v["value"]) for name, v in settled.items() if "value" in v
        }

    @cached_property
    def _given_out(self) -> frozenset[str]:
        return frozenset(self.outputs)

    @cached_property
    def _bodies(self) -> tuple[GraphView, ...]:
        bodies = bodies_in(self._graph, self.scope)
        return tuple(GraphView(self.model, self.path, body, self) for body in bodies)

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return self._told(inferred(self._skeleton) if self.outer is None else self._graph)

    @cached_property
    def _skeleton(self) -> onnx.ModelProto:
        return without_weights(self.model)

    def _told(self, graph: onnx.GraphProto) -> dict[str, Shape]:
        values = (*graph.value_info, *graph.output, *graph.input)
        shapes = {value.name: shape for value in values if (shape := shape_of(value)) is not None}
        return shapes | {tensor.name: tuple(tensor.dims) for tensor in self._graph.initializer}


def is_known(shape: Shape) -> TypeGuard[tuple[int, ...]]:
    """Whether every axis is a number."""
    return all(isinstance(size, int) for size in shape)


def shape_of(value: onnx.ValueInfoProto) -> Shape | None:
    """The declared shape, None where there is none, or none that an array can have.

    Sizes below 1 are free: what exporters write for them.
    """
    dims = value.type.tensor_type.shape.dim
    if not value.type.tensor_type.HasField("shape") or len(dims) > MOST_AXES:
        return None
    return tuple(dim.dim_value if dim.dim_value > 0 else dim.dim_param or None for dim in dims)
