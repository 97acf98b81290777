"""What a gradient rule receives: one node, what is known of its tensors, and a way to add nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from filterkit.errors import ModelError
from filterkit.graph.gradient.facts import Facts
from filterkit.graph.loading.names import free_name
from filterkit.graph.view.foldable import label
from filterkit.graph.view.walk import STANDARD, attributes

Operator = tuple[str, str]
"""Domain (empty for the standard operators) and type."""

Gradients = Sequence[str | None]
"""The gradient of each input of a node, by name; None where none flows. Missing ones are None."""


def operator_of(node: NodeProto) -> Operator:
    """Domain and type of a node."""
    return ("" if node.domain in STANDARD else node.domain, node.op_type)


@dataclass(eq=False)
class Builder:
    """Adds nodes and constants to a graph, with names that are free.

    Attributes
    ----------
    dtype
        Floating-point type of the gradients.
    provider
        The execution provider that will run the graph.
    finite
        Whether all gradients so far are finite, up to overflow, if the values of the network are.
    nodes, tensors, inputs
        What was added so far.
    """

    taken: dict[str, int]
    dtype: np.dtype[Any]
    provider: str = "cpu"
    finite: bool = True
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: list[TensorProto] = field(default_factory=list)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Whether the graph has a tensor of this name."""
        return name in self.taken

    def op(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the name of this output."""
        return self.ops(operator, inputs, 1, domain=domain, **attributes)[0]

    def ops(
        self, operator: str, inputs: Sequence[str], outputs: int, *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """As `op`, for a node with several outputs."""
        names = [free_name(f"gradient/{operator}", self.taken) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names

    def input(self, dtype: DTypeLike, shape: Sequence[int]) -> str:
        """Add an input of the graph."""
        name = free_name("gradient/input", self.taken)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, value: ArrayLike) -> str:
        """Add a constant, or find an equal one; floating-point numbers get the type of the gradients."""
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = free_name("gradient/constant", self.taken)
            self.tensors.append(numpy_helper.from_array(array, name))
            self._known[key] = name
        return self._known[key]

    def ints(self, *values: int) -> str:
        """Add a constant list of integers: a shape, axes, indices."""
        return self.const(np.array(values, np.int64))

    def range(self, count: int) -> str:
        """Add the integers from 0 on, computed when the graph runs."""
        start, one = self.const(np.array(0)), self.const(np.array(1))
        return self.op("Range", start, self.const(np.array(count)), one)

    def reshape(self, tensor: str, shape: Sequence[int]) -> str:
        return self.op("Reshape", tensor, self.ints(*shape))

    def transpose(self, tensor: str, order: Sequence[int]) -> str:
        return tensor if list(order) == sorted(order) else self.op("Transpose", tensor, perm=order)

    def reduce(self, operator: str, tensor: str, axes: Sequence[int], *, keepdims: bool = True) -> str:
        """A reduction over some axes; over none, the tensor itself."""
        return self.op(operator, tensor, self.ints(*axes), keepdims=int(keepdims)) if axes else tensor

    def sum_to(self, tensor: str, have: Sequence[int], want: Sequence[int]) -> str:
        """Sum a tensor of shape `have` over the axes along which one of shape `want` was broadcast to it."""
        if tuple(have) == tuple(want):
            return tensor
        extra = len(have) - len(want)
        wide = [axis for axis in range(extra, len(have)) if want[axis - extra] == 1 != have[axis]]
        summed = self.reduce("ReduceSum", tensor, [*range(extra), *wide])
        return self.reshape(summed, want) if extra else summed

    def scatter(self, operator: str, data: str, indices: str, updates: str, **attributes: Any) -> str:
        """Add `updates` to `data` at `indices`, by ScatterElements or ScatterND.

        In float32 for half precision, which ONNX Runtime does not add on the CPU.
        """
        if self.dtype != np.float16:
            return self.op(operator, data, indices, updates, reduction="add", **attributes)
        wide = [self.op("Cast", each, to=TensorProto.FLOAT) for each in (data, updates)]
        found = self.op(operator, wide[0], indices, wide[1], reduction="add", **attributes)
        return self.op("Cast", found, to=TensorProto.FLOAT16)

    def total(self, tensors: Sequence[str]) -> str:
        """The sum of one tensor or more of the same shape."""
        if len(tensors) == 1:
            return tensors[0]
        return self.op("Add" if len(tensors) == 2 else "Sum", *tensors)


class Backward:
    """A node on the way back.

    Attributes
    ----------
    node
        Of the forward graph.
    gradients
        The incoming gradient of each output, by name; None where none flows, but never for all.
    needed
        Whether the gradient of each input is needed.
    builder
        Adds nodes; `op`, `const`, `ints` and others are its methods.
    """

    def __init__(
        self, node: NodeProto, facts: Facts, builder: Builder, gradients: Gradients, needed: Sequence[bool]
    ) -> None:
        self.node, self.builder, self._facts = node, builder, facts
        self.gradients, self.needed = tuple(gradients), tuple(needed)
        self.op, self.ops, self.const, self.ints = builder.op, builder.ops, builder.const, builder.ints
        self.reshape, self.reduce, self.sum_to = builder.reshape, builder.reduce, builder.sum_to

    @property
    def operator(self) -> Operator:
        return operator_of(self.node)

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the inputs; empty for optional ones that are omitted."""
        return tuple(self.node.input)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        return attributes(self.node)

    @property
    def gradient(self) -> str:
        """The incoming gradient of the first output.

        Raises
        ------
        ModelError
            None flows: only another output is used.
        """
        found = self.gradients[0]
        if found is None:
            raise self.unsupported("only its other outputs are used")
        return found

    def has(self, index: int) -> bool:
        """Whether there is an input at this place."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Shape of an input."""
        return self._facts.shape(self.node.input[index])

    def output_shape(self, index: int = 0) -> tuple[int, ...]:
        """Shape of an output."""
        return self._facts.shape(self.node.output[index])

    def constant(self, index: int) -> NDArray[Any] | None:
        """The value of an input; None if it is omitted or depends on values of the network's input."""
        return self._facts.constant(self.node.input[index]) if self.has(index) else None

    def dtype(self, index: int = 0) -> np.dtype[Any] | None:
        """NumPy type of an input; None if it is unknown."""
        return self._facts.dtype(self.node.input[index])

    def output_dtype(self, index: int = 0) -> np.dtype[Any] | None:
        """NumPy type of an output; None if it is unknown."""
        return self._facts.dtype(self.node.output[index])

    def output(self, index: int = 0) -> str:
        """Name of an output of the node, which is added if it was not requested."""
        missing = index + 1 - len(self.node.output)
        self.node.output.extend([""] * missing)
        if not self.node.output[index]:
            self.node.output[index] = free_name("gradient/output", self.builder.taken)
        return str(self.node.output[index])

    def refuse(self, *places: int, what: str) -> None:
        """Raise ModelError if the gradient of one of these inputs is needed."""
        if any(place < len(self.needed) and self.needed[place] for place in places):
            raise self.unsupported(what)

    def unsupported(self, what: str) -> ModelError:
        """An error: this node has no gradient in this form."""
        return ModelError(
            f"node {label(self.node)} has no gradient: {what}",
            hint="a plugin can provide another rule (hook filterkit_gradient_rules)",
        )


Rule = Callable[[Backward], Gradients]


class Family:
    """A gradient rule made of one function per operator (see `filterkit.plugins.protocols.GradientRule`)."""

    def __init__(self, functions: Mapping[Operator, Rule]) -> None:
        self.functions = functions

    @property
    def operators(self) -> tuple[Operator, ...]:
        return tuple(self.functions)

    def backward(self, step: Backward) -> Gradients:
        return self.functions[step.operator](step)


def standard(**functions: Rule) -> Family:
    """A family of standard operators."""
    return Family({("", name): function for name, function in functions.items()})
