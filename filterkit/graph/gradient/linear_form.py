"""The gradient of a network that is linear once activations are the identity and maxima are means.

Such a gradient does not depend on the picture: it is the weights on the way multiplied out. Its graph does
not compute the network either, only the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onnx import ModelProto, NodeProto, helper

from filterkit.errors import ModelError
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.backward import Backward, Gradients
from filterkit.graph.gradient.facts import Facts, Shapes
from filterkit.graph.gradient.gradient import Rules, gradient
from filterkit.graph.gradient.target import Target
from filterkit.graph.view.foldable import label
from filterkit.graph.view.walk import reads

if TYPE_CHECKING:
    from filterkit.plugins.protocols import GradientRule

Spans = Iterable[tuple[str, str]]
"""The outputs of convolutions, each with that of the activation that follows it."""


def linear_gradient(
    model: ModelProto, target: Target, wrt: str, *, rules: Rules, shapes: Shapes, path: Path
) -> ModelProto:
    """A graph whose only output is the gradient of a target with respect to `wrt`, under ``linear``.

    Parameters are those of `filterkit.graph.gradient.gradient.gradient`.

    Raises
    ------
    ModelError
        A node on the way is not linear (it is named); or as `gradient` raises.
    """
    origins: dict[str, NodeProto] = {}
    recording = {operator: _Recording(rule, origins) for operator, rule in rules.items()}
    whole = gradient(
        model, target, wrt, rules=recording, override="linear", path=path, shapes=shapes, provider="cpu"
    )
    found = whole.graph.output[1].name
    types = Facts.of(whole, path, shapes).types
    for node in whole.graph.node:
        if node.op_type == "CastLike" and types.get(node.output[0]):  # it reads a type only, not the values
            cast = helper.make_node("Cast", node.input[:1], node.output, to=types[node.output[0]])
            node.CopyFrom(cast)
    way_back = cut(whole, [found])
    _check_linear(way_back, wrt, origins)
    return way_back


class _Recording:
    """A gradient rule that also records for which node it adds nodes, by their outputs."""

    def __init__(self, rule: GradientRule, origins: dict[str, NodeProto]) -> None:
        self._rule, self._origins, self.operators = rule, origins, rule.operators

    def __str__(self) -> str:
        return str(self._rule)

    def backward(self, step: Backward) -> Gradients:
        before = len(step.builder.nodes)
        found = self._rule.backward(step)
        added = step.builder.nodes[before:]
        self._origins.update((name, step.node) for node in added for name in node.output)
        return found


def _check_linear(way_back: ModelProto, wrt: str, origins: Mapping[str, NodeProto]) -> None:
    """Raise ModelError if the gradient depends on values of the network."""
    values = {wrt}
    for node in way_back.graph.node:
        if values.isdisjoint(reads(node)):
            continue
        origin = next((origins[name] for name in node.output if name in origins), None)
        if origin is not None:
            raise ModelError(
                f"node {label(origin)} has no linear form: what it passes on depends on the picture",
                hint="choose a layer before it; `filterkit attribute` shows the gradient at a picture",
            )
        values.update(node.output)


def without_activations(model: ModelProto, spans: Spans) -> ModelProto:
    """The model with each activation that consists of several nodes, such as ``x * sigmoid(x)``, left out.

    Activations of one node stay, as ``linear`` overrides their gradient.

    Parameters
    ----------
    model
        Not changed.
    spans
        Those that are not in the model are ignored.
    """
    result: ModelProto = ModelProto.FromString(model.SerializeToString())
    readers: dict[str, list[NodeProto]] = {}
    for node in result.graph.node:
        for name in set(reads(node)):
            readers.setdefault(name, []).append(node)
    computed = {name: node for node in result.graph.node for name in node.output}
    for pre, post in spans:
        tensor = pre
        while tensor != post and len(readers.get(tensor, ())) == 1:
            tensor = readers[tensor][0].output[0]
        if tensor == post or post not in computed or tensor not in readers:
            continue
        last = computed[post]
        last.CopyFrom(helper.make_node("Identity", [tensor], last.output, name=last.name))
    return result
