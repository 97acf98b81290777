"""Which layers the output of a layer reaches without another layer in between: the graph of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import onnx

from filterkit import budget
from filterkit.errors import ModelError
from filterkit.graph.layers.channel_origins import channel_origins
from filterkit.graph.layers.channel_rules import COMBINING, Traced, Untraced
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import reads

MOST_EDGES = 2**16
MOST_WAYS = 2**20
"""Limit on the layers that all tensors together come from: each of many additions may have all of them."""

MOST_FOLLOWED = 2**23
"""Limit on the channels of all layers that are followed through a node: beyond it, offsets are unknown."""

MOST_OPERATORS = 40
"""Of a longer way, the operators in the middle are left out."""

LONGEST = 200
"""Limit on the characters of an operator or an input: edges may be many, and names are of any length."""
MOST_CHANNELS = 4096
"""Inputs with more channels, which would have to be followed one by one, have no offsets."""
INPUT = "input "
"""Before the names of inputs among the keys of layers, which are numbers."""

NO_DATA = frozenset({"Shape", "Size"})
"""Operators whose outputs depend on the sizes of a tensor, not on its values."""

REARRANGING = frozenset(
    (
        *("Concat", "QLinearConcat", "Split", "Slice", "Gather", "GatherND", "GatherElements", "Reshape"),
        *("Transpose", "Flatten", "Squeeze", "Unsqueeze", "DepthToSpace", "SpaceToDepth", "Tile", "Pad"),
    )
)
"""Operators after which a channel may have another number."""


class Edge(NamedTuple):
    """A way from a layer to a layer.

    Attributes
    ----------
    from_layer, to_layer
        Places in the list of layers; None for an input or an output of the network.
    via
        The operators between them on the shortest way.
    channel_offset
        The first channel of the input of `to_layer` that comes from `from_layer`; None if it is unknown.
    tensor
        The name of the network's input or output.
    """

    from_layer: int | None
    to_layer: int | None
    via: tuple[str, ...]
    channel_offset: int | None = None
    tensor: str | None = None


Source = int | str
"""The place of a layer, or the name of an input of the network."""


class Way(NamedTuple):
    """The shortest way from a source to a tensor, from its end: an operator and the way before it."""

    length: int = 0
    operator: str = ""
    before: Way | None = None


Ways = Mapping[Source, Way]


def layer_edges(graph: GraphView, layers: Sequence[Mapping[str, Any]]) -> list[Edge]:
    """The edges of a model, those to each layer together, in the order of the layers.

    Parameters
    ----------
    graph
        The main graph.
    layers
        Rows of table `layer`. Layers in branches of an If and in bodies of a Loop or a Scan are reached from
        outside and reach the layers after it; what a pass through a body leaves for the next one is not
        followed.

    Raises
    ------
    ModelError
        So many layers come together that there are more than `MOST_EDGES`.
    """
    tracer = _Tracer(
        {(row["scope"], row["pre_tensor"]): (place, row["input_tensor"]) for place, row in enumerate(layers)}
    )
    tracer.follow(graph, {value.name: {value.name: Way()} for value in graph.inputs})
    views = {view.scope: view for view in graph.with_bodies()}
    made = _made(graph, layers)
    edges: list[Edge] = []
    left = MOST_FOLLOWED
    for place, row in enumerate(layers):
        ways = tracer.read.get(place, {})
        offsets: dict[Source, int] = {}
        if not any(_is_rearranged(way) for way in ways.values()):
            offsets = dict.fromkeys(ways, 0)
        elif (left := left - _effort(ways, layers)) >= 0:
            offsets = _offsets(views.get(row["scope"]), row, made)
        edges += (_edge(source, place, ways[source], offsets.get(source)) for source in _in_order(ways))
        _check(edges)
    for name in graph.outputs:
        ways = tracer.found.get(name, {})
        edges += (_edge(source, name, ways[source], None) for source in _in_order(ways) if source != name)
        _check(edges)
    return edges


def _is_rearranged(way: Way | None) -> bool:
    while way is not None:
        if way.operator in REARRANGING:
            return True
        way = way.before
    return False


def _effort(ways: Ways, layers: Sequence[Mapping[str, Any]]) -> int:
    """About how many channels have to be followed through how many nodes."""
    channels: int = sum(layers[source]["filters"] for source in ways if isinstance(source, int))
    return channels * max(way.length for way in ways.values())


def _in_order(ways: Ways) -> list[Source]:
    """Inputs, then layers."""
    return sorted(ways, key=lambda source: (-1, source) if isinstance(source, str) else (source, ""))


def _edge(source: Source, target: Source, way: Way, offset: int | None) -> Edge:
    names = [each for each in (source, target) if isinstance(each, str)]
    return Edge(
        source if isinstance(source, int) else None,
        target if isinstance(target, int) else None,
        _shortened(_operators(way)),
        offset,
        names[-1][:LONGEST] if names else None,
    )


@dataclass
class _Tracer:
    """Follows the layers through a graph.

    Attributes
    ----------
    places
        The layers and the names of their inputs, by the scope and the name of their output.
    read
        What the input of each layer comes from.
    found
        What the tensors of the main graph come from.
    """

    places: Mapping[tuple[str, str], tuple[int, str]]

    def __post_init__(self) -> None:
        self.read: dict[int, Ways] = {}
        self.found: Mapping[str, Ways] = {}
        self._ways = 0

    def follow(self, graph: GraphView, known: Mapping[str, Ways]) -> dict[str, Ways]:
        """What the tensors of a graph come from; `known` has those of its inputs and around it."""
        found = dict(known)
        bodies: dict[int, list[GraphView]] = {}
        for body in graph.bodies():
            assert body.body is not None
            bodies.setdefault(body.body.place, []).append(body)
        for number, node in enumerate(graph.nodes):
            budget.step("following the layers through node '{0.name}' ({0.op_type})", node)
            names = [name for name in reads(node) if name in found and not graph.is_constant(name)]
            ways = self._merged([found[name] for name in names])
            results = [self._of_body(body, found, ways) for body in bodies.get(number, ())]
            through = self._through(node, results or [ways])
            for place, output in enumerate(node.output):
                layer = self.places.get((graph.scope, output))
                if layer is not None:
                    self.read[layer[0]] = found.get(layer[1], {})
                    found[output] = {layer[0]: Way()}
                elif output and through:
                    found[output] = through[min(place, len(through) - 1)]
        if graph.outer is None:
            self.found = found
        return found

    def _of_body(self, body: GraphView, around: Mapping[str, Ways], ways: Ways) -> Ways:
        """What the outputs of a body come from, together; its inputs come from all that its node reads."""
        found = self.follow(body, {**around, **{value.name: ways for value in body.inputs}})
        return self._merged([found[name] for name in body.outputs if name in found])

    def _merged(self, parts: Sequence[Ways]) -> Ways:
        """All sources, each with its shortest way."""
        merged = dict(parts[0]) if parts else {}
        for source, way in chain.from_iterable(part.items() for part in parts[1:]):
            if source not in merged or way.length < merged[source].length:
                merged[source] = way
        self._ways += len(merged)
        if self._ways > MOST_WAYS:
            raise _too_many()
        return merged

    def _through(self, node: onnx.NodeProto, parts: Sequence[Ways]) -> list[Ways]:
        if node.op_type in NO_DATA:
            return []
        ways = parts[0] if len(parts) == 1 else self._merged(parts)
        return [{source: Way(way.length + 1, node.op_type, way) for source, way in ways.items()}]


def _operators(way: Way) -> list[str]:
    names = []
    while way.before is not None:
        names.append(way.operator[:LONGEST])
        way = way.before
    return names[::-1]


def _shortened(names: Sequence[str]) -> tuple[str, ...]:
    half = MOST_OPERATORS // 2
    return tuple(names) if len(names) <= MOST_OPERATORS else (*names[:half], "…", *names[-half:])


def _made(graph: GraphView, layers: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Traced]:
    """The inputs, the outputs of layers, and of the activations after them; signs are of no interest here."""
    made: dict[tuple[str, str], Traced] = {}
    for value in graph.inputs:
        shape = value.shape or ()
        if 3 <= len(shape) <= 5 and isinstance(shape[1], int) and 0 < shape[1] <= MOST_CHANNELS:
            layout = f"NC{'DHW'[5 - len(shape) :]}"
            made["", value.name] = Traced.of_layer(f"{INPUT}{value.name}", layout, [1] * shape[1])
    for name, skipped in (("post", COMBINING), ("pre", frozenset[str]())):
        for place, row in enumerate(layers):
            if row["activation"] not in skipped:
                ones = [1] * row["filters"]
                traced = Traced.of_layer(str(place), row[f"{name}_layout"], ones)
                made[row["scope"], row[f"{name}_tensor"]] = traced
    return made


def _offsets(
    view: GraphView | None, row: Mapping[str, Any], made: Mapping[tuple[str, str], Traced]
) -> dict[Source, int]:
    """By layer, the first channel that a layer reads from it; empty where channels cannot be followed."""
    try:
        channels = channel_origins(view, row["input_tensor"], made).channels if view is not None else ()
    except Untraced:
        return {}
    first: dict[Source, int] = {}
    for number, origins in enumerate(channels):
        for origin in origins:
            name = origin.layer
            first.setdefault(name.removeprefix(INPUT) if name.startswith(INPUT) else int(name), number)
    return first


def _check(edges: Sequence[Edge]) -> None:
    if len(edges) > MOST_EDGES:
        raise _too_many()


def _too_many() -> ModelError:
    return ModelError(
        "so many layers come together in this network that their connections are not listed",
        hint=f"at most {MOST_EDGES:,} edges and {MOST_WAYS:,} ways are followed",
    )
