"""Gradients of pooling."""

from __future__ import annotations

import math

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def max_pool(step: Backward) -> Gradients:
    """Add every gradient where the maximum was found, exactly one place per window (output Indices).

    Comparing values would be wrong where neighbours are equal, and MaxUnpool where windows overlap.
    """
    size = math.prod(step.shape())
    if step.attributes.get("storage_order", 0):
        raise step.unsupported("storage_order is 1")
    zeros = step.op("Expand", step.const([0.0]), step.ints(size))
    places = step.reshape(step.output(1), (-1,))
    values = step.reshape(step.gradient, (-1,))
    back = step.op("ScatterElements", zeros, places, values, axis=0, reduction="add")
    return (step.reshape(back, step.shape()),)


def rule() -> Family:
    return standard(MaxPool=max_pool)
