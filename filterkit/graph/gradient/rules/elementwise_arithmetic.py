"""Gradients of arithmetic with broadcasting."""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def add(step: Backward) -> Gradients:
    return [
        step.sum_to(step.gradient, step.output_shape(), step.shape(place)) if needed else None
        for place, needed in enumerate(step.needed)
    ]


def rule() -> Family:
    return standard(Add=add, Sum=add)
