"""Conformance check for gradient rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from filterkit.graph.gradient.backward import operator_of
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.view.shapes import known_shapes
from filterkit.plugins.host import load_plugins
from filterkit.plugins.protocols import GradientRule
from filterkit.plugins.registry import Registry
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.subjects import subject_of

Array = NDArray[Any]

STEP = 1e-2
"""Of the finite differences, which are computed in float32."""
CLOSE = 2e-2
"""Largest allowed difference, over the largest slope."""
MOST_SLOPES = 256
"""How many elements of an input are varied."""


def check_gradient_rule(
    rule: GradientRule | Callable[[], GradientRule], *models: onnx.ModelProto, seed: int = 0
) -> None:
    """Check a gradient rule with models that have nodes of its operators.

    Parameters
    ----------
    rule
        The object, or a class or another factory that takes no arguments.
    models
        One output each, and inputs of fixed shapes, of floating-point numbers; see `build_model`. The inputs
        are random, of mean 0 and standard deviation 1.
    seed
        Of the random numbers.

    Raises
    ------
    ConformanceError
        Lists all violations. Every gradient must agree with finite differences of ONNX Runtime's output to
        2 % of the largest one, where the function has no kink; the same nodes must give the same result; no
        warnings, output or files.
    """
    subject = subject_of("gradient-rule", rule, "backward")
    findings, operators = subject.findings, set(subject.wrapped.operators)
    rules = Registry(load_plugins(discover=False)).gradient_rules()
    rules |= dict.fromkeys(subject.wrapped.operators, subject.wrapped)
    with writes_nothing(findings):
        for model in models:
            on = " → ".join(node.op_type for node in model.graph.node)
            covered = any(operator_of(node) in operators for node in model.graph.node)
            findings.require(covered, "is not used: no node has one of its operators", on)
            weighted, inputs = _weighted(model, np.random.default_rng(seed))
            one, other = (findings.attempt(on, partial(_slopes, weighted, inputs, rules)) for _ in range(2))
            if one is None or other is None:
                continue
            same = all(map(np.array_equal, one, other))
            findings.require(same, "returns a different result when it is called again", on)
            _compare(findings, weighted, inputs, one, on)
    findings.require(bool(models), "was given no model to be checked with")
    findings.conclude()


def _weighted(
    model: onnx.ModelProto, random: np.random.Generator
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The model with its output multiplied by random numbers, and random inputs.

    This way the whole Jacobian takes part in the gradient of the sum.
    """
    shapes = known_shapes(model.graph)
    inputs = {}
    for value in model.graph.input:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        inputs[value.name] = random.normal(size=shapes[value.name]).astype(dtype)
    (output,) = _computed(model, inputs)
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    name = copy.graph.output[0].name
    weights = random.normal(size=output.shape).astype(output.dtype)
    copy.graph.initializer.append(numpy_helper.from_array(weights, f"weights of {name}"))
    copy.graph.node.append(onnx.helper.make_node("Mul", [name, f"weights of {name}"], [f"weighted {name}"]))
    copy.graph.output[0].CopyFrom(onnx.ValueInfoProto(name=f"weighted {name}"))
    return copy, inputs


def _slopes(model: onnx.ModelProto, inputs: Mapping[str, Array], rules: Any) -> list[Array]:
    (output,) = _computed(model, inputs)
    target = Target(model.graph.output[0].name, "C" * output.ndim)
    return _computed(gradient(model, target, list(inputs), rules=rules), inputs)[1 : 1 + len(inputs)]


def _compare(
    findings: Findings, model: onnx.ModelProto, inputs: Mapping[str, Array], slopes: list[Array], on: str
) -> None:
    session = open_session(model, choose("cpu"))
    name = model.graph.output[0].name

    def total(given: Mapping[str, Array]) -> float:
        return float(run(session, [name], given)[0].sum(dtype=np.float64))

    middle = total(inputs)
    for (entry, array), found in zip(inputs.items(), slopes, strict=True):
        places = list(np.ndindex(array.shape))[:MOST_SLOPES]
        sides = np.empty((2, len(places)))
        for side, sign in enumerate((1, -1)):
            for index, place in enumerate(places):
                moved = array.copy()
                moved[place] += sign * STEP
                sides[side, index] = (total({**inputs, entry: moved}) - middle) / (sign * STEP)
        given = np.array([found[place] for place in places], np.float64)
        largest = max(float(np.abs(sides).max(initial=0)), 1e-3)
        smooth = np.abs(sides[0] - sides[1]) <= 2 * CLOSE * largest  # elsewhere there is a kink
        wrong = np.abs(given - sides.mean(axis=0))[smooth] > CLOSE * largest
        problem = f"returns a wrong gradient of input '{entry}'"
        findings.require(bool(np.isfinite(given).all()), f"{problem}: it is not finite", on)
        findings.require(
            bool(wrong.size), f"cannot be checked: input '{entry}' changes the output in steps", on
        )
        findings.require(not wrong.any(), f"{problem}: {wrong.sum()} of {len(wrong)} numbers", on)


def _computed(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    session = open_session(model, choose("cpu"))
    return run(session, [output.name for output in model.graph.output], inputs)
