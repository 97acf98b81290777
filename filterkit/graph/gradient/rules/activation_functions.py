"""Gradients of activation functions."""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def relu(step: Backward) -> Gradients:
    """From the output: ONNX Runtime can then fuse Conv and Relu."""
    mask = step.op("Greater", step.output(), step.const(0.0))
    return (step.op("Where", mask, step.gradient, step.const(0.0)),)


def rule() -> Family:
    return standard(Relu=relu)
