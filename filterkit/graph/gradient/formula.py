"""Write gradients as formulas: arithmetic with tensors of a graph that is being built adds nodes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filterkit.graph.gradient.backward import Backward, Builder, Gradients, Rule


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor in a formula; numbers beside it become constants of its type."""

    builder: Builder
    name: str

    def call(self, operator: str, *others: Value | float, **attributes: Any) -> Value:
        """The output of an operator whose first input is this tensor."""
        names = (self._name(other) for other in others)
        return Value(self.builder, self.builder.op(operator, self.name, *names, **attributes))

    def __add__(self, other: Value | float) -> Value:
        return self.call("Add", other)

    def __radd__(self, other: float) -> Value:
        return self.call("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self.call("Sub", other)

    def __rsub__(self, other: float) -> Value:
        return self._constant(other).call("Sub", self)

    def __mul__(self, other: Value | float) -> Value:
        return self.call("Mul", other)

    def __rmul__(self, other: float) -> Value:
        return self.call("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self.call("Div", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._constant(other).call("Div", self)

    def __pow__(self, other: Value | float) -> Value:
        return self.call("Mul", self) if other == 2 else self.call("Pow", other)

    def __neg__(self) -> Value:
        return self.call("Neg")

    def __gt__(self, other: Value | float) -> Value:
        return self.call("Greater", other)

    def __lt__(self, other: Value | float) -> Value:
        return self.call("Less", other)

    def __and__(self, other: Value) -> Value:
        return self.call("And", other)

    def equals(self, other: Value | float) -> Value:
        return self.call("Equal", other)

    def where(self, yes: Value | float, no: Value | float) -> Value:
        """`yes` where this condition holds, else `no`."""
        return self.call("Where", yes, no)

    def _constant(self, number: float) -> Value:
        return Value(self.builder, self.builder.const(float(number)))

    def _name(self, other: Value | float) -> str:
        return other.name if isinstance(other, Value) else self.builder.const(float(other))


def value(step: Backward, name: str) -> Value:
    """A tensor of the graph, for formulas."""
    return Value(step.builder, name)


def by_derivative(derivative: Callable[[Backward, Value], Value | float]) -> Rule:
    """The rule of a function of single elements, from its derivative, given the input."""

    def rule(step: Backward) -> Gradients:
        factor = derivative(step, value(step, step.inputs[0]))
        return ((value(step, step.gradient) * factor).name,)

    return rule


def by_derivative_of_output(derivative: Callable[[Backward, Value], Value | float]) -> Rule:
    """As `by_derivative`, given the output: the input need not be kept until the way back."""

    def rule(step: Backward) -> Gradients:
        return ((value(step, step.gradient) * derivative(step, value(step, step.output()))).name,)

    return rule


def by_mask(
    mask: Callable[[Backward], Value], otherwise: Callable[[Backward], float] = lambda _: 0.0
) -> Rule:
    """The rule of a function whose slope is 1 where a condition holds, and another number elsewhere.

    A condition on the output allows ONNX Runtime to fuse the function with the convolution before it.
    """

    def rule(step: Backward) -> Gradients:
        incoming, slope = value(step, step.gradient), otherwise(step)
        return (mask(step).where(incoming, incoming * slope if slope else 0.0).name,)

    return rule
