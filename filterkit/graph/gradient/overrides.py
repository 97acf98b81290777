"""Other ways back through nonlinear operators than the gradient, by name.

- ``guided``: Relu passes positive gradients of positive values (Springenberg et al. 2014).
- ``deconvnet``: Relu is applied to the gradient (Zeiler and Fergus 2013).
- ``linear``: activation functions are the identity, quantization does not saturate, and the maximum of a
  pooling is its mean: what the network does to first order, without gating.

``guided`` and ``deconvnet`` hardly depend on the weights (Adebayo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from filterkit.errors import UsageError, closest
from filterkit.graph.gradient.backward import Backward, Gradients, Operator, Rule
from filterkit.graph.gradient.rules import activation_functions, pooling

Override = Callable[[Backward, Rule], Gradients]
"""Computes gradients in place of a rule, which is passed on."""


def override_of(name: str) -> Mapping[Operator, Override]:
    """The operators whose rule an override replaces; raises UsageError for an unknown name."""
    if name not in OVERRIDES:
        raise UsageError(f"unknown override '{name}'", hint=closest(name, OVERRIDES))
    return OVERRIDES[name]


def _is_rectifier(step: Backward) -> bool:
    """Whether an activation function cuts off at 0, as ReLU6 does."""
    operator = step.node.op_type
    lower = step.constant(1) if operator == "Clip" else None
    return (
        operator == "Relu"
        or (operator == "Clip" and lower is not None and lower.item() == 0)
        or (operator == "ThresholdedRelu" and step.attributes.get("alpha", 1.0) >= 0)
    )


def _guided(step: Backward, rule: Rule) -> Gradients:
    if not _is_rectifier(step):
        return rule(step)
    step.gradients = (step.op("Relu", step.gradient),)
    return rule(step)


def _deconvnet(step: Backward, rule: Rule) -> Gradients:
    return (step.op("Relu", step.gradient),) if _is_rectifier(step) else rule(step)


def _identity(step: Backward, rule: Rule) -> Gradients:
    return (step.gradient,)


def _mean(step: Backward, rule: Rule) -> Gradients:
    return pooling.average_pool(step)


def _global_mean(step: Backward, rule: Rule) -> Gradients:
    return pooling.global_average_pool(step)


RECTIFIERS = (("", "Relu"), ("", "Clip"), ("", "ThresholdedRelu"))

OVERRIDES: Mapping[str, Mapping[Operator, Override]] = {
    "guided": dict.fromkeys(RECTIFIERS, _guided),
    "deconvnet": dict.fromkeys(RECTIFIERS, _deconvnet),
    "linear": {
        **dict.fromkeys(activation_functions.rule().operators, _identity),
        ("", "QuantizeLinear"): _identity,
        ("com.microsoft", "QuantizeLinear"): _identity,
        ("", "MaxPool"): _mean,
        ("", "GlobalMaxPool"): _global_mean,
    },
}
