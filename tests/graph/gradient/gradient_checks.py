"""Compare gradients with finite differences and, where torch is installed, with its autograd in float64."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import build_model, node

Arrays = Mapping[str, NDArray[Any]]

DIFFERENCE = "largest difference from torch in float64, over the largest gradient"
"""Property of the tests of whole networks, printed after a run."""

CLOSE = 1e-5
"""Largest allowed difference, over the largest gradient."""


@cache
def rules() -> Mapping[tuple[str, str], Any]:
    return Registry(load_plugins(discover=False)).gradient_rules()


def model_of(
    nodes: Sequence[onnx.NodeProto], inputs: Arrays, constants: Arrays | None = None, *, opset: int = 18
) -> onnx.ModelProto:
    """A model with inputs of fixed shapes, whose output is that of the last node."""
    shapes = {name: list(array.shape) for name, array in inputs.items()}
    return build_model(nodes, shapes, constants, opset=opset)


def weighted(model: onnx.ModelProto, inputs: Arrays, seed: int = 1) -> onnx.ModelProto:
    """The model, with its output multiplied by random numbers, so that all of its Jacobian takes part."""
    (output,) = run(model, inputs)
    weights = np.random.default_rng(seed).normal(size=output.shape).astype(output.dtype)
    extended = onnx.ModelProto.FromString(model.SerializeToString())
    graph = extended.graph
    graph.initializer.append(numpy_helper.from_array(weights, "weights of the output"))
    graph.node.append(node("Mul", "_ _", "weighted"))
    graph.node[-1].input[:] = [graph.output[0].name, "weights of the output"]
    graph.output[0].name = "weighted"
    return extended


def run(model: onnx.ModelProto, inputs: Arrays) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, dict(inputs))  # type: ignore[no-any-return]


def derived(
    model: onnx.ModelProto, inputs: Arrays, *, override: str | None = None, with_rules: Any = None
) -> list[NDArray[Any]]:
    """The gradients of the sum of the output with respect to all inputs, by ONNX Runtime."""
    (output,) = run(model, inputs)
    target = Target(model.graph.output[0].name, "C" * output.ndim)
    built = gradient(model, target, list(inputs), rules=with_rules or rules(), override=override)
    value, *gradients = run(built, inputs)
    np.testing.assert_allclose(value, output.sum(dtype=np.float64), rtol=1e-4, atol=1e-5)
    return gradients


def close(
    found: NDArray[Any], expected: NDArray[Any], tolerance: float = CLOSE, least: float = 1e-6
) -> float:
    """Compare two gradients, and return their largest difference, over the largest gradient, or `least`."""
    assert found.shape == expected.shape
    largest = max(float(np.abs(expected).max(initial=0)), least)
    difference = float(np.abs(found - expected).max(initial=0)) / largest
    assert difference <= tolerance
    return difference


def differences(
    model: onnx.ModelProto,
    inputs: Arrays,
    *,
    step: float | None = None,
    function: Callable[..., NDArray[Any]] | None = None,
) -> list[NDArray[Any]]:
    """Central differences of the sum of the output of a `weighted` model.

    In float64 by onnx's reference implementation, or by a `function` of NumPy arrays where that computes in
    float32; with a `step`, by ONNX Runtime in float32, for functions that are linear within such a step.
    """
    compute: Callable[[Arrays], float]
    if function is not None:
        weights = numpy_helper.to_array(model.graph.initializer[-1])
        values = {name: array.astype(np.float64) for name, array in inputs.items()}
        compute = lambda given: float((function(*given.values()) * weights).sum())  # noqa: E731
    elif step is None:
        evaluator = ReferenceEvaluator(in_float64(model))
        values = {name: array.astype(np.float64) for name, array in inputs.items()}
        compute = lambda given: float(evaluator.run(None, given)[0].sum())  # noqa: E731
    else:
        values = dict(inputs)
        options = onnxruntime.SessionOptions()
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        compute = lambda given: float(session.run(None, given)[0].sum(dtype=np.float64))  # noqa: E731
    width, found = step or 1e-6, []
    for name, array in values.items():
        slopes = np.empty(array.shape)
        for place in np.ndindex(array.shape):
            sums = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * width
                sums.append(compute({**values, name: moved}))
            slopes[place] = (sums[0] - sums[1]) / (2 * width)
        found.append(slopes)
    return found


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with all its float32 numbers in float64, for onnx's reference implementation."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for value in (*copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for tensor in copy.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return copy


def check(
    nodes: Sequence[onnx.NodeProto],
    inputs: Arrays,
    constants: Arrays | None = None,
    *,
    opset: int = 18,
    step: float | None = None,
    function: Callable[..., NDArray[Any]] | None = None,
    tolerance: float = CLOSE,
) -> None:
    """Compare the gradients with finite differences (see `differences`)."""
    model = weighted(model_of(nodes, inputs, constants, opset=opset), inputs)
    slopes = differences(model, inputs, step=step, function=function)
    for found, expected in zip(derived(model, inputs), slopes, strict=True):
        close(found, expected, tolerance)


def find_torch() -> Any:
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    return find("torch")


def check_with_torch(
    nodes: Sequence[onnx.NodeProto],
    inputs: Arrays,
    function: Callable[..., Any],
    constants: Arrays | None = None,
    *,
    opset: int = 18,
    tolerance: float = CLOSE,
    least: float = 1e-6,
) -> None:
    """Compare the gradients with those of a function of torch tensors, which is called with all inputs."""
    torch = find_torch()
    model = weighted(model_of(nodes, inputs, constants, opset=opset), inputs)
    weights = numpy_helper.to_array(model.graph.initializer[-1])
    tensors = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in inputs.values()]
    (function(*tensors) * torch.tensor(weights, dtype=torch.float64)).sum().backward()
    for found, tensor in zip(derived(model, inputs), tensors, strict=True):
        close(found, tensor.grad.numpy(), tolerance, least)
