"""Build the graph that computes a target and its gradient, from one rule per operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from filterkit import budget
from filterkit.errors import ModelError, NotFoundError, closest
from filterkit.geometry import product
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.backward import Backward, Builder, Gradients, Operator, Rule, operator_of
from filterkit.graph.gradient.facts import FLOATS, Facts, Shapes, UnknownShapes
from filterkit.graph.gradient.narrow import narrow
from filterkit.graph.gradient.overrides import override_of
from filterkit.graph.gradient.recent_opset import upgrade
from filterkit.graph.gradient.target import Target, select
from filterkit.graph.gradient.trim import trim
from filterkit.graph.loading.names import shown
from filterkit.graph.view.foldable import label
from filterkit.graph.view.shapes import inferred, known_shapes, without_weights
from filterkit.graph.view.walk import STANDARD, reads

if TYPE_CHECKING:
    from filterkit.plugins.protocols import GradientRule

QUANTIZED = frozenset({np.dtype(name) for name in ("int8", "uint8", "int16", "uint16", "int32")})
"""Types of quantized numbers, and of their products."""

FINITE_SLOPES = frozenset(
    (
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Add", "Sub", "Mul", "Sum"),
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish"),
        *("Tanh", "Erf", "Gelu", "Softplus", "Softsign", "Softmax", "LogSoftmax", "MaxPool", "AveragePool"),
        *("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "Concat", "Split", "Slice", "Pad"),
        *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "Resize", "Identity"),
        *("Mean", "Dropout"),
    )
)
"""Standard operators whose slopes are finite where their inputs are, unlike that of a square root at 0."""

MOST_ELEMENTS = 2**31
"""Of a tensor; a graph can state any number, for which ONNX Runtime would fail to allocate memory."""

Rules = Mapping[Operator, "GradientRule"]


def gradient(
    model: ModelProto,
    target: Target,
    wrt: str | Sequence[str],
    *,
    rules: Rules,
    override: str | None = None,
    path: Path | None = None,
    shapes: Shapes | None = None,
    provider: str = "cpu",
) -> ModelProto:
    """A graph that computes the value of a target, and its gradient with respect to other tensors.

    Parameters
    ----------
    model
        Not changed. From `load_model` or `excerpt`; its functions are inlined.
    target
        What is differentiated. It is one number per picture, so that the pictures of a batch are independent.
    wrt
        Tensors of the main graph, inputs or others.
    rules
        By operator, e.g. `filterkit.plugins.registry.Registry.gradient_rules`.
    override
        ``"guided"``, ``"deconvnet"`` or ``"linear"`` (see `filterkit.graph.gradient.overrides`).
    path
        The file of the model, beside which external data is stored; needed only if there is such data.
    shapes
        Shapes of the inputs, which are then fixed to these; and of other tensors, where inference does not
        reach. Inputs of fixed shape may be omitted.
    provider
        The execution provider that will run it, ``"cpu"`` or ``"cuda"``: others can run it as well, but some
        operators that are faster on the CPU are slow elsewhere.

    Returns
    -------
    ModelProto
        Its inputs are those of the model, and that of `Target.from_inputs`. Its outputs are the value, shape
        (N,); one gradient for each of `wrt`, in their order; and the values of those of `wrt` that nodes
        compute. Opset 18 or later.

    Raises
    ------
    NotFoundError
        The graph has no such tensor.
    UnknownShapes
        Some shapes are known only when the network runs; measure them, and state them in `shapes`.
    ModelError
        Operators without a rule (all are named), or a target that does not depend on one of `wrt`, or not
        through floating-point numbers.
    UsageError
        The target does not fit the shape of its tensor.
    """
    backward = _rule_of(rules, override)
    wrt = [wrt] if isinstance(wrt, str) else list(dict.fromkeys(wrt))
    result = cut(model, [target.tensor])
    _check_ancestors(model, result, wrt)
    upgrade(result)
    facts = Facts.of(result, path or Path("model.onnx"), _input_shapes(result, shapes or {}))
    builder = Builder(_names(result), facts.dtype(target.tensor) or np.dtype(np.float32), provider)
    target, facts = narrow(result, target, wrt, facts, builder)
    if ("", "Slice") in rules:
        target, facts = trim(result, target, wrt, facts, builder)
    nodes = list(result.graph.node)
    reached = _reached(nodes, wrt, facts)
    _check_rules(nodes, target.tensor, reached, rules)
    _check_shapes(nodes, target.tensor, reached, facts)
    value, seed = select(target, facts.shape(target.tensor), builder)
    flowing: dict[str, list[str]] = {target.tensor: [seed]}
    returned: list[tuple[NodeProto, str, str]] = []
    for node in reversed(nodes):
        incoming = [_take(flowing, name, builder, wrt) for name in node.output]
        if not any(incoming) or reached.isdisjoint(reads(node)):
            continue
        budget.step("differentiating node '{0.name}' ({0.op_type})", node)
        dtype = facts.dtype(node.output[0])
        if dtype is not None and dtype in FLOATS:  # else it is quantized
            builder.dtype = dtype
        needed = [name in reached for name in node.input]
        step = Backward(node, facts, builder, incoming, needed)
        for name, found in zip(node.input, backward(step), strict=False):
            if found is not None and name in reached:
                flowing.setdefault(name, []).append(found)
                returned.append((node, name, found))
        domain, operator = operator_of(node)
        builder.finite &= not domain and operator in FINITE_SLOPES
    _finish(result, builder, value, [(name, flowing.get(name)) for name in wrt], facts)
    _check_gradients(result, returned, facts, rules)
    return result


def _check_gradients(
    model: ModelProto, returned: Sequence[tuple[NodeProto, str, str]], facts: Facts, rules: Rules
) -> None:
    """Raise ModelError if a rule returned a gradient that has not the shape of its input."""
    shapes = known_shapes(inferred(without_weights(model)))
    for node, name, found in returned:
        expected, shape = facts.shape(name), shapes.get(found, facts.shape(name))
        if shape != expected:
            raise ModelError(
                f"the rule {rules[operator_of(node)]} returned a gradient of shape {_sizes(shape)} for "
                f"an input of shape {_sizes(expected)}, of node {label(node)}",
                hint="choose another with --rules, or block its plugin",
            )


def _sizes(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "()"


def _check_ancestors(model: ModelProto, part: ModelProto, wrt: Sequence[str]) -> None:
    """Raise NotFoundError for a tensor that is not in the model, and ModelError for one not in this part."""
    computed, known = (
        {*(value.name for value in graph.input), *(name for node in graph.node for name in node.output)}
        for graph in (part.graph, model.graph)
    )
    for name in wrt:
        if name not in known:
            raise NotFoundError(
                f"the graph has no tensor '{shown(name)}'", hint=closest(name, map(shown, known))
            )
        if name not in computed:
            raise ModelError(f"the target does not depend on the tensor '{shown(name)}'")


def _rule_of(rules: Rules, override: str | None) -> Rule:
    """What computes the gradients of a node: the rule of its operator, or what overrides it."""
    replaced = override_of(override) if override is not None else {}

    def backward(step: Backward) -> Gradients:
        rule = rules[step.operator].backward
        return replaced[step.operator](step, rule) if step.operator in replaced else rule(step)

    return backward


def _input_shapes(model: ModelProto, shapes: Shapes) -> Shapes:
    """The shapes of the inputs, fixed to these in the model as well."""
    known = known_shapes(model.graph)
    names = {value.name for value in model.graph.input}
    for value in model.graph.input:
        shape = shapes.get(value.name) or known.get(value.name)
        if shape is None:
            raise ModelError(f"no gradient: the input '{shown(value.name)}' has no fixed shape")
        dims = value.type.tensor_type.shape
        del dims.dim[:]
        for size in shape:
            dims.dim.add(dim_value=size)
    return {**{name: known[name] for name in names & known.keys()}, **shapes}


def _names(model: ModelProto) -> dict[str, int]:
    graph = model.graph
    taken = dict.fromkeys((value.name for value in (*graph.input, *graph.initializer)), 0)
    taken.update((name, 0) for node in graph.node for name in (*node.output, *reads(node)))
    return taken


def _reached(nodes: Sequence[NodeProto], wrt: Sequence[str], facts: Facts) -> set[str]:
    """Tensors that depend on one of `wrt` through floating-point numbers or quantized ones.

    The gradient of quantized numbers is that of the numbers that they stand for.
    """
    reached = {name for name in wrt if facts.is_float(name)}
    quantized: set[str] = set()
    for node in nodes:
        read = reached.intersection(reads(node))
        if not read:
            continue
        if node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear") or quantized & read:
            quantized.update(name for name in node.output if name and facts.dtype(name) in QUANTIZED)
        reached.update(name for name in node.output if name and (facts.is_float(name) or name in quantized))
    return reached


def _passed(nodes: Sequence[NodeProto], target: str, reached: set[str]) -> Iterator[NodeProto]:
    """The nodes that a gradient passes through, from the target on."""
    flowing = {target} & reached
    for node in reversed(nodes):
        inputs = reached.intersection(reads(node))
        if inputs and not flowing.isdisjoint(node.output):
            flowing |= inputs
            yield node


def _check_shapes(nodes: Sequence[NodeProto], target: str, reached: set[str], facts: Facts) -> None:
    """Raise UnknownShapes if a shape on the way back is unknown, and ModelError if one is too large."""
    names = {
        name for node in _passed(nodes, target, reached) for name in (*reads(node), *node.output) if name
    }
    unknown = sorted(names - facts.shapes.keys())
    if unknown:
        raise UnknownShapes(unknown, facts.view.model)
    for name in names:
        if product(facts.shape(name), MOST_ELEMENTS) > MOST_ELEMENTS:
            sizes = _sizes(facts.shape(name))
            raise ModelError(f"no gradient: the tensor '{shown(name)}' of shape {sizes} is too large")


def _check_rules(nodes: Sequence[NodeProto], target: str, reached: set[str], rules: Rules) -> None:
    """Raise ModelError that names all nodes without a rule that a gradient would pass through."""
    missing = [node for node in _passed(nodes, target, reached) if operator_of(node) not in rules]
    if missing:
        few = ", ".join(label(node) for node in reversed(missing[-12:]))
        more = f" and {len(missing) - 12} more" if len(missing) > 12 else ""
        raise ModelError(
            f"no gradient rule for {few}{more}",
            hint="a plugin can add rules for operators (hook filterkit_gradient_rules)",
        )


def _take(flowing: dict[str, list[str]], name: str, builder: Builder, wrt: Sequence[str]) -> str | None:
    """The sum of the gradients of a tensor, all of whose consumers have been passed."""
    found = flowing.pop(name, None)
    if not found:
        return None
    total = builder.total(found)
    if name in wrt:
        flowing[name] = [total]
    return total


def _finish(
    result: ModelProto,
    builder: Builder,
    value: str,
    gradients: Sequence[tuple[str, Sequence[str] | None]],
    facts: Facts,
) -> None:
    """Add the backward nodes to the graph, and declare its outputs."""
    computed = {name for node in result.graph.node for name in node.output}
    names = [value]
    for name, found in gradients:
        if not found:
            what = "" if facts.is_float(name) else ": its numbers are integers"
            raise ModelError(f"no gradient flows from the target to the tensor '{shown(name)}'{what}")
        names.append(builder.op("Identity", builder.total(found)))
    names += [name for name, _ in gradients if name in computed]
    graph = result.graph
    known = {*STANDARD, *(imported.domain for imported in result.opset_import)}
    for domain in sorted({node.domain for node in builder.nodes} - known):
        result.opset_import.append(helper.make_opsetid(domain, 1))
    graph.node.extend(builder.nodes)
    graph.initializer.extend(builder.tensors)
    graph.input.extend(builder.inputs)
    del graph.output[:], graph.value_info[:]
    graph.output.extend(ValueInfoProto(name=name) for name in names)
