"""Gradients of operators that choose between elements; equal ones share the gradient of what is chosen.

Each of n equal extremes receives 1/n of the gradient, as in torch (amax, amin, maximum, minimum).
"""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard
from filterkit.graph.gradient.rules.reductions import reduced_axes, with_axes


def where(step: Backward) -> Gradients:
    condition, zero, shape = step.inputs[0], step.const(0.0), step.output_shape()
    found: list[str | None] = [None, None, None]
    for place, choice in ((1, (step.gradient, zero)), (2, (zero, step.gradient))):
        if step.needed[place]:
            chosen = step.op("Where", condition, *choice)
            found[place] = step.sum_to(chosen, shape, step.shape(place))
    return found


def extreme(step: Backward) -> Gradients:
    """Min and Max of any number of tensors, with broadcasting."""
    if len(step.inputs) == 1:
        return (step.gradient,)
    shape = step.output_shape()
    hits = [_hits(step, name, step.output()) for name in step.inputs]
    share = step.op("Div", step.gradient, step.builder.total(hits))
    return [
        step.sum_to(step.op("Mul", share, hit), shape, step.shape(place)) if needed else None
        for place, (hit, needed) in enumerate(zip(hits, step.needed, strict=True))
    ]


def reduced_extreme(step: Backward) -> Gradients:
    """ReduceMin and ReduceMax."""
    hits = _hits(step, step.inputs[0], with_axes(step, step.output()))
    count = step.reduce("ReduceSum", hits, reduced_axes(step))
    share = step.op("Div", with_axes(step, step.gradient), count)
    return (step.op("Mul", share, hits),)


def _hits(step: Backward, tensor: str, extremes: str) -> str:
    return step.op("CastLike", step.op("Equal", tensor, extremes), extremes)


def rule() -> Family:
    return standard(
        Where=where,
        Min=extreme,
        Max=extreme,
        ReduceMin=reduced_extreme,
        ReduceMax=reduced_extreme,
    )
