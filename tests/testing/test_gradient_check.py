"""The check of gradient rules accepts a right one, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filterkit.testing import ConformanceError, build_model, check_gradient_rule, node

SHRINK = build_model([node("Shrink", "x", "y", lambd=0.4)], {"x": [2, 3]})


class Right:
    operators: Any = (("", "Shrink"),)

    def backward(self, step: Any) -> Any:
        outside = step.op("Greater", step.op("Abs", step.inputs[0]), step.const(0.4))
        return [step.op("Where", outside, step.gradient, step.const(0.0))]


class Doubled(Right):
    def backward(self, step: Any) -> Any:
        return [step.op("Mul", step.gradient, step.const(2.0))]


class NotFinite(Right):
    def backward(self, step: Any) -> Any:
        return [step.op("Div", step.gradient, step.const(0.0))]


class Raising(Right):
    def backward(self, step: Any) -> Any:
        raise ValueError("no")


class Different(Right):
    def backward(self, step: Any) -> Any:
        self.seen = getattr(self, "seen", 0) + 1
        return [step.op("Mul", step.gradient, step.const(float(self.seen)))]


class Listed(Right):
    operators = {("", "Shrink")}  # noqa: RUF012


def problems(rule: Callable[[], Any], *models: Any) -> tuple[str, ...]:
    with pytest.raises(ConformanceError) as caught:
        check_gradient_rule(rule, *models)
    return caught.value.problems


def test_a_right_rule() -> None:
    check_gradient_rule(Right, SHRINK)
    check_gradient_rule(Right(), SHRINK, seed=4)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Doubled, "returns a wrong gradient of input 'x': 6 of 6 numbers"),
        (NotFinite, "returns a wrong gradient of input 'x': it is not finite"),
        (Raising, "backward() raised ValueError: no"),
        (Different, "returns a different result when it is called again"),
        (Listed, "has operators that are not a tuple of pairs of domain and type"),
    ],
)
def test_what_is_wrong(rule: Callable[[], Any], words: str) -> None:
    found = problems(rule, SHRINK)
    assert words in {each.removesuffix(" (with Shrink)") for each in found}


def test_models_without_its_operators() -> None:
    assert problems(Right) == ("was given no model to be checked with",)
    relu = build_model([node("Relu", "x", "y")], {"x": [2, 3]})
    assert problems(Right, relu) == ("is not used: no node has one of its operators (with Relu)",)
