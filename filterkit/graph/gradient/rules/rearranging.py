"""Gradients of operators that move elements without computing."""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def transpose(step: Backward) -> Gradients:
    rank = len(step.shape())
    order = step.attributes.get("perm") or list(reversed(range(rank)))
    return (step.op("Transpose", step.gradient, perm=sorted(range(rank), key=order.__getitem__)),)


def rule() -> Family:
    return standard(Transpose=transpose)
