"""What is known of the tensors of a graph before it runs: shapes, element types, and constant values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from filterkit.errors import ModelError
from filterkit.graph.loading.names import shown
from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.shapes import (
    at_sizes,
    fold_shape_arithmetic,
    inferred,
    known_shapes,
    most_rounds,
    without_weights,
)
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes

Shapes = Mapping[str, tuple[int, ...]]

SAME_SHAPE = frozenset(
    {
        ("", "GroupNormalization"),
        *(("com.microsoft", name) for name in ("Gelu", "BiasGelu", "FastGelu", "QuickGelu")),
    }
)
"""Operators that onnx infers no shape for, whose output has the shape of the first input."""

FLOATS = frozenset({np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)})
"""Types that gradients flow through."""


class UnknownShapes(ModelError):
    """Shapes that are known only when the network runs.

    Parameters
    ----------
    tensors
        Names of the tensors.
    model
        A model with these tensors, as they are named after the conversion to recent operators.
    """

    def __init__(self, tensors: Sequence[str], model: onnx.ModelProto) -> None:
        more = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
        name = f"'{shown(tensors[0])}'{more}"
        super().__init__(f"no gradient: the shape of tensor {name} is known only when the network runs")
        self.tensors, self.model = tuple(tensors), model


@dataclass(frozen=True, eq=False)
class Facts:
    """Shapes and types of the tensors of a model whose inputs have known sizes, and its constants.

    Attributes
    ----------
    shapes, types
        By tensor; tensors whose shape or type is unknown are missing.
    computed
        Values computed from shapes.
    """

    shapes: Shapes
    types: Mapping[str, int]
    computed: Mapping[str, NDArray[Any]]
    view: GraphView

    @classmethod
    def of(cls, model: onnx.ModelProto, path: Path, shapes: Shapes) -> Facts:
        """Infer them.

        Parameters
        ----------
        model
            With the standard operators of a recent version.
        path
            Its file, beside which external data is stored.
        shapes
            Shapes of the inputs; of other tensors, if they are known, where inference may not reach.
        """
        trial = at_sizes(without_weights(model), shapes)
        for node in trial.graph.node:
            if (node.domain, node.op_type) in SAME_SHAPE:
                node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output, name=node.name))
        for _ in range(most_rounds(trial)):
            graph = inferred(trial)
            if not fold_shape_arithmetic(trial, known_shapes(graph)):
                break
        types = {
            value.name: value.type.tensor_type.elem_type
            for value in (*graph.input, *graph.value_info, *graph.output)
        } | {tensor.name: tensor.data_type for tensor in (*graph.initializer, *model.graph.initializer)}
        values = {
            node.output[0]: numpy_helper.to_array(found)
            for node in trial.graph.node
            if node.op_type == "Constant" and (found := attributes(node).get("value")) is not None
        }
        return cls({**shapes, **known_shapes(graph)}, types, values, GraphView(model, path))

    def shape(self, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor; raises UnknownShapes."""
        if tensor not in self.shapes:
            raise UnknownShapes([tensor], self.view.model)
        return self.shapes[tensor]

    def dtype(self, tensor: str) -> np.dtype[Any] | None:
        """NumPy type of a tensor; None if it is unknown, or if NumPy has no such type."""
        try:
            return np.dtype(helper.tensor_dtype_to_np_dtype(self.types.get(tensor, 0)))
        except (KeyError, TypeError):
            return None

    def is_float(self, tensor: str) -> bool:
        """Whether a gradient may flow through the tensor; a tensor of unknown type is assumed to allow it."""
        return not self.types.get(tensor) or self.dtype(tensor) in FLOATS

    def constant(self, tensor: str) -> NDArray[Any] | None:
        """The value of a constant tensor; None if it depends on values of the input."""
        if tensor in self.computed:
            return self.computed[tensor]
        try:
            return self.view.constant(tensor)
        except NotConstant:
            return None
