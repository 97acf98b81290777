"""Gradients of operators that sum over axes, and of those that normalize by such a sum."""

from __future__ import annotations

import math

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def reduced_axes(step: Backward) -> list[int]:
    """The axes of a reduction; all of them if it names none, unless it has noop_with_empty_axes.

    Raises
    ------
    ModelError
        They depend on the input.
    """
    rank = len(step.shape())
    axes = step.constant(1)
    if axes is None and step.has(1):
        raise step.unsupported("its axes depend on the input")
    if axes is not None and axes.size:
        return sorted(int(axis) % rank for axis in axes)
    return [] if step.attributes.get("noop_with_empty_axes", 0) else list(range(rank))


def with_axes(step: Backward, tensor: str) -> str:
    """A tensor of the shape of the output, with the reduced axes kept at length 1."""
    axes = set(reduced_axes(step))
    shape = [1 if axis in axes else size for axis, size in enumerate(step.shape())]
    return tensor if tuple(shape) == step.output_shape() else step.reshape(tensor, shape)


def _incoming(step: Backward) -> str:
    return with_axes(step, step.gradient)


def _expanded(step: Backward, tensor: str) -> Gradients:
    return (step.op("Expand", tensor, step.ints(*step.shape())),)


def reduce_sum(step: Backward) -> Gradients:
    return _expanded(step, _incoming(step))


def reduce_mean(step: Backward) -> Gradients:
    count = max(math.prod(step.shape()[axis] for axis in reduced_axes(step)), 1)
    return _expanded(step, step.op("Mul", _incoming(step), step.const(1 / count)))


def reduce_sum_square(step: Backward) -> Gradients:
    return (step.op("Mul", step.op("Mul", _incoming(step), step.const(2.0)), step.inputs[0]),)


def reduce_l1(step: Backward) -> Gradients:
    return (step.op("Mul", _incoming(step), step.op("Sign", step.inputs[0])),)


def reduce_l2(step: Backward) -> Gradients:
    """Zero where all numbers are zero, as in torch."""
    norm = with_axes(step, step.output())
    zero = step.const(0.0)
    ratio = step.op("Where", step.op("Equal", norm, zero), zero, step.op("Div", _incoming(step), norm))
    return (step.op("Mul", ratio, step.inputs[0]),)


def reduce_log_sum(step: Backward) -> Gradients:
    total = step.reduce("ReduceSum", step.inputs[0], reduced_axes(step))
    return _expanded(step, step.op("Div", _incoming(step), total))


def reduce_log_sum_exp(step: Backward) -> Gradients:
    shares = step.op("Exp", step.op("Sub", step.inputs[0], with_axes(step, step.output())))
    return (step.op("Mul", _incoming(step), shares),)


def reduce_prod(step: Backward) -> Gradients:
    """The product of all other numbers: where there is one zero, it is 0 except for this zero itself."""
    zero, one, axes = step.const(0.0), step.const(1.0), reduced_axes(step)
    is_zero = step.op("Equal", step.inputs[0], zero)
    rest = step.op("Where", is_zero, one, step.inputs[0])
    product = step.op("Mul", _incoming(step), step.reduce("ReduceProd", rest, axes))
    zeros = step.reduce("ReduceSum", step.op("CastLike", is_zero, step.inputs[0]), axes)
    others = step.op("Sub", zeros, step.op("CastLike", is_zero, zeros))
    return (step.op("Where", step.op("Equal", others, zero), step.op("Div", product, rest), zero),)


def softmax(step: Backward) -> Gradients:
    shares, axis = step.output(), step.attributes.get("axis", -1)
    weighted = step.op("Mul", step.gradient, shares)
    total = step.reduce("ReduceSum", weighted, [axis])
    return (step.op("Sub", weighted, step.op("Mul", shares, total)),)


def log_softmax(step: Backward) -> Gradients:
    axis = step.attributes.get("axis", -1)
    total = step.reduce("ReduceSum", step.gradient, [axis])
    return (step.op("Sub", step.gradient, step.op("Mul", step.op("Exp", step.output()), total)),)


def hardmax(step: Backward) -> Gradients:
    """A step: no gradient flows."""
    return ()


def cum_sum(step: Backward) -> Gradients:
    """Each number is part of the sums from there on."""
    given = step.attributes
    exclusive, backwards = given.get("exclusive", 0), 1 - given.get("reverse", 0)
    return (step.op("CumSum", step.gradient, step.inputs[1], exclusive=exclusive, reverse=backwards),)


def rule() -> Family:
    return standard(
        ReduceSum=reduce_sum,
        ReduceMean=reduce_mean,
        ReduceSumSquare=reduce_sum_square,
        ReduceL1=reduce_l1,
        ReduceL2=reduce_l2,
        ReduceLogSum=reduce_log_sum,
        ReduceLogSumExp=reduce_log_sum_exp,
        ReduceProd=reduce_prod,
        Softmax=softmax,
        LogSoftmax=log_softmax,
        Hardmax=hardmax,
        CumSum=cum_sum,
    )
