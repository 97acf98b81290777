"""What a plugin's gradient rule returns is checked, and no rule silently replaces another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contracts import Make, contract_error
from onnx_graphs import build, node

import filterkit
from filterkit.errors import ModelError, PluginError, UsageError
from filterkit.graph.gradient.gradient import gradient
from filterkit.graph.gradient.target import Target
from filterkit.plugins.host import PluginHost, load_plugins
from filterkit.plugins.registry import Registry


class Rule:
    """A rule for Shrink, which has no built-in one."""

    operators: Any = (("", "Shrink"),)

    def __init__(self, result: Any, operators: Any = operators) -> None:
        self.result, self.operators = result, operators

    def backward(self, step: filterkit.Backward) -> Any:
        return self.result(step) if callable(self.result) else self.result


def built(rules: Any) -> Any:
    model = build([node("Shrink", "x", "y", "shrink")], {"x": [1, 3]})
    return gradient(model, Target("y", "NC"), "x", rules=rules)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not a sequence of names"),
        ("x", "returned a str, not a sequence of names"),
        (["x", "x"], "returned 2 gradients for 1 inputs"),
        ([3], "returned 3, which is not the name of a tensor"),
        (["z"], "returned 'z', which is not the name of a tensor"),
    ],
)
def test_what_a_rule_returns(make: Make, result: Any, problem: str) -> None:
    rule = make("gradient-rule", Rule(result))
    rules = dict.fromkeys(rule.operators, rule)
    assert contract_error(lambda: built(rules)) == f"gradient-rule 'mine': backward() {problem}"


def test_a_gradient_of_another_shape(make: Make) -> None:
    rule = make("gradient-rule", Rule(lambda step: [step.reshape(step.gradient, (3, 1))]))
    with pytest.raises(ModelError, match=r"the rule .*mine.* returned a gradient of shape 3 × 1 for"):
        built(dict.fromkeys(rule.operators, rule))


def test_errors_name_the_plugin(make: Make) -> None:
    rule = make("gradient-rule", Rule(lambda step: step.nonsense))
    with pytest.raises(PluginError, match=r"plugin filterkit-mine 1\.5: gradient-rule 'mine': backward\(\)"):
        built(dict.fromkeys(rule.operators, rule))


@pytest.mark.parametrize("operators", ["Shrink", (), [("", "Shrink")], (("Shrink",),), ((0, "Shrink"),)])
def test_operators(make: Make, operators: Any) -> None:
    problem = contract_error(lambda: make("gradient-rule", Rule((), operators)))
    assert problem.endswith("has operators that are not a tuple of pairs of domain and type")


def plugin(name: str, *operators: tuple[str, str]) -> object:
    class Plugin:
        @filterkit.hookimpl
        def filterkit_gradient_rules(self) -> list[object]:
            make: Callable[[], Rule] = lambda: Rule(["x"], operators)  # noqa: E731
            return [filterkit.Contribution(name, "For a test", make)]

    return Plugin()


def test_two_rules_for_one_operator(host: PluginHost) -> None:
    host.add(plugin("one", ("", "Shrink")), name="filterkit-one", version="1")
    host.add(plugin("two", ("", "Shrink"), ("my.domain", "Fold")), name="filterkit-two", version="1")
    registry = Registry(host)
    with pytest.raises(UsageError) as caught:
        registry.gradient_rules()
    message = "filterkit-one/one and filterkit-two/two are rules for the same operator, Shrink"
    assert caught.value.message == message
    assert caught.value.hint == "choose one with --rules, e.g. --rules filterkit-two/two"
    chosen = registry.gradient_rules(["filterkit-two/two"])
    assert {str(chosen[operator]) for operator in (("", "Shrink"), ("my.domain", "Fold"))} == {
        "filterkit-two/two"
    }


def test_a_built_in_rule_is_replaced_by_name_only(host: PluginHost) -> None:
    host.add(plugin("mine", ("", "Relu")), name="filterkit-mine", version="1")
    with pytest.raises(UsageError, match="rules for the same operator, Relu"):
        Registry(host).gradient_rules()
    rules = Registry(host).gradient_rules(["mine"])
    assert str(rules["", "Relu"]) == "filterkit-mine/mine"
    assert str(rules["", "Sigmoid"]) == "filterkit.gradients/activation"


def test_a_broken_plugin_leaves_the_other_rules(host: PluginHost) -> None:
    host.add(plugin("broken"), name="filterkit-broken", version="1")
    rules = Registry(host).gradient_rules()
    assert str(rules["", "Conv"]) == "filterkit.gradients/convolution"
    assert any(plugin.state == "failed" or plugin.errors for plugin in host.plugins)


def test_all_operators_without_a_rule_are_named(host: PluginHost) -> None:
    nodes = [
        node("Shrink", "x", "a", "first"),
        node("Relu", "a", "b"),
        node("Fold", "b", "y", "last", domain="my.domain"),
    ]
    shapes = dict.fromkeys(("a", "b", "y"), (1, 3))
    with pytest.raises(ModelError) as caught:
        gradient(
            build(nodes, {"x": [1, 3]}),
            Target("y", "NC"),
            "x",
            rules=Registry(host).gradient_rules(),
            shapes=shapes,
        )
    assert caught.value.message == "no gradient rule for 'first' (Shrink), 'last' (Fold)"
    assert np.asarray(caught.value.hint).item().startswith("a plugin can add rules")


def test_rules_are_made_once() -> None:
    registry = Registry(load_plugins(discover=False))
    first, second = registry.gradient_rules(), registry.gradient_rules()
    assert first == second
    assert first["", "Relu"] is second["", "Relu"]
    first.clear()
    assert registry.gradient_rules() == second
