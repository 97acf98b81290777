"""Gradients of arithmetic with broadcasting, and of functions of single numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from filterkit.graph.gradient.backward import Backward, Family, Gradients, Rule, standard
from filterkit.graph.gradient.formula import Value, by_derivative, by_derivative_of_output, value


def broadcast(*parts: Callable[[Backward], Value]) -> Rule:
    """The rule of an operator with broadcasting, from its gradients of the shape of the output."""

    def rule(step: Backward) -> Gradients:
        found: list[str | None] = []
        for place, part in enumerate(parts):
            needed = place < len(step.needed) and step.needed[place]
            found.append(_summed(step, part(step), place) if needed else None)
        return found

    return rule


def _summed(step: Backward, found: Value, place: int) -> str:
    """Sum over the axes along which an input was broadcast."""
    return step.sum_to(found.name, step.output_shape(), step.shape(place))


def _incoming(step: Backward) -> Value:
    return value(step, step.gradient)


def _input(step: Backward, place: int) -> Value:
    return value(step, step.inputs[place])


def _sum(step: Backward) -> Gradients:
    """Sum and Mean of any number of inputs."""
    incoming = _incoming(step)
    if step.node.op_type == "Mean":
        incoming = incoming * (1 / len(step.inputs))
    return [_summed(step, incoming, place) if needed else None for place, needed in enumerate(step.needed)]


def _of_base(step: Backward) -> Value:
    """``b * x**(b - 1)``, and 0 for the exponent 0, where 0 * 0**-1 would be NaN."""
    x, exponent = _input(step, 0), step.constant(1)
    if exponent is not None and exponent.size == 1:
        power = float(exponent.item())
        if power in (0, 1, 2):
            return _incoming(step) * (0.0, 1.0, x * 2.0)[int(power)]
        return _incoming(step) * x.call("Pow", power - 1) * power
    b = _exponent(step)
    return _incoming(step) * b.equals(0.0).where(0.0, b * x.call("Pow", b - 1.0))


def _of_exponent(step: Backward) -> Value:
    """``x**b * log(x)``, and 0 for the base 0 unless the exponent is negative."""
    x = _input(step, 0)
    is_zero = x.equals(0.0) & (_exponent(step) > 0.0)
    return _incoming(step) * is_zero.where(0.0, value(step, step.output()) * x.call("Log"))


def _exponent(step: Backward) -> Value:
    exponent = _input(step, 1)
    return exponent if step.dtype(0) == step.dtype(1) else exponent.call("CastLike", _input(step, 0))


def _over(step: Backward) -> Value:
    return -(_incoming(step) * value(step, step.output()) / _input(step, 1))


def _flat(step: Backward) -> Gradients:
    """Steps: no gradient flows."""
    return ()


def rule() -> Family:
    return standard(
        Add=_sum,
        Sum=_sum,
        Mean=_sum,
        Sub=broadcast(_incoming, lambda step: -_incoming(step)),
        Mul=broadcast(
            lambda step: _incoming(step) * _input(step, 1), lambda step: _incoming(step) * _input(step, 0)
        ),
        Div=broadcast(lambda step: _incoming(step) / _input(step, 1), _over),
        Pow=broadcast(_of_base, _of_exponent),
        Neg=by_derivative(lambda _, x: -1.0),
        Abs=by_derivative(lambda _, x: x.call("Sign")),
        Exp=by_derivative_of_output(lambda _, y: y),
        Log=by_derivative(lambda _, x: 1.0 / x),
        Sqrt=by_derivative_of_output(lambda _, y: 0.5 / y),
        Reciprocal=by_derivative_of_output(lambda _, y: -(y**2)),
        Erf=by_derivative(lambda _, x: (-(x**2)).call("Exp") * (2 / math.sqrt(math.pi))),
        Sin=by_derivative(lambda _, x: x.call("Cos")),
        Cos=by_derivative(lambda _, x: -x.call("Sin")),
        Tan=by_derivative_of_output(lambda _, y: y**2 + 1.0),
        Sinh=by_derivative(lambda _, x: x.call("Cosh")),
        Cosh=by_derivative(lambda _, x: x.call("Sinh")),
        Asin=by_derivative(lambda _, x: 1.0 / (1.0 - x**2).call("Sqrt")),
        Acos=by_derivative(lambda _, x: -1.0 / (1.0 - x**2).call("Sqrt")),
        Atan=by_derivative(lambda _, x: 1.0 / (x**2 + 1.0)),
        Asinh=by_derivative(lambda _, x: 1.0 / (x**2 + 1.0).call("Sqrt")),
        Acosh=by_derivative(lambda _, x: 1.0 / (x**2 - 1.0).call("Sqrt")),
        Atanh=by_derivative(lambda _, x: 1.0 / (1.0 - x**2)),
        Floor=_flat,
        Ceil=_flat,
        Round=_flat,
        Sign=_flat,
    )
