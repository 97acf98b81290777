"""The argument of tracing rules, and the exception they raise where they do not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

import onnx
from numpy.typing import NDArray

from filterkit.geometry import MOST_AXES
from filterkit.graph.axes.tensor_axes import Tracks
from filterkit.graph.view.view import GraphView, Shape


@dataclass(frozen=True, slots=True)
class Step:
    """A node with everything its rule needs.

    Attributes
    ----------
    tracks
        Of those inputs that depend on the graph's inputs.
    shapes, computed
        Shapes and constant values of tensors at the sizes of the trace.
    values
        The node's attributes.
    """

    graph: GraphView
    node: onnx.NodeProto
    tracks: Mapping[str, Tracks]
    shapes: Mapping[str, Shape]
    computed: Mapping[str, NDArray[Any]]
    values: dict[str, Any]

    def first_tracks(self) -> Tracks:
        """Tracks of the first input."""
        return self.tracks[self.node.input[0]]

    def input_shape(self, index: int = 0) -> Shape | None:
        """Shape of an input."""
        return self.shapes.get(self.node.input[index])

    def output_shape(self, index: int = 0) -> Shape | None:
        """Shape of an output."""
        return self.shapes.get(self.node.output[index])

    def constant(self, index: int) -> NDArray[Any] | None:
        """The value of an optional constant input of real numbers; None where it is omitted."""
        if index >= len(self.node.input) or not self.node.input[index]:
            return None
        name = self.node.input[index]
        value = self.computed[name] if name in self.computed else self.graph.constant(name)
        if value.dtype.kind not in "biuf":
            raise Untraceable
        return value

    def numbers(self, index: int, name: str) -> list[int] | None:
        """Integers that are an input in some opsets and an attribute in others; None where omitted."""
        given = self.constant(index)
        if given is not None:
            return [int(number) for number in limited(given.ravel())]
        value = self.values.get(name)
        return None if value is None else [value] if isinstance(value, int) else list(limited(value))


class Untraceable(Exception):
    """The rule does not apply to this node; no axis is followed through it."""


Numbers = TypeVar("Numbers", bound=Sized)


def limited(numbers: Numbers) -> Numbers:
    """`numbers`, if at most two per possible axis; a malicious node may state millions."""
    if len(numbers) > 2 * MOST_AXES:
        raise Untraceable
    return numbers


Rule = Callable[[Step], Tracks]
"""From a node to the tracks of its first output."""
