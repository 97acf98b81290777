"""How the channels of a node's outputs come from those of its inputs: one rule per operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
import onnx

from filterkit.geometry import product
from filterkit.graph.layers.activation_nodes import ACTIVATIONS
from filterkit.graph.layers.constant_operands import aligned, integer_list
from filterkit.graph.layers.layout_changes import LAYOUT_OPERATORS, layout_after, reshape_target
from filterkit.graph.layers.norms import NORMS
from filterkit.graph.view.foldable import label
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes

MOST_ORIGINS = 2**22
"""Limit on the origins of all channels of a tensor together."""

COMBINING = frozenset({"maxout", "glu", "crelu"})
"""Activations with another number of channels than the layer: the nodes themselves are followed."""


class Origin(NamedTuple):
    """A filter, and the sign with which it reaches a channel.

    Attributes
    ----------
    layer
        The key of the layer; empty for an input of the graph.
    filter
        The number of the filter, or of the channel of the input.
    sign
        1 or -1; 0 if a batch norm or a factor is zero.
    """

    layer: str
    filter: int
    sign: int


Origins = tuple[Origin, ...]


class Untraced(Exception):
    """The channels cannot be followed; the message says why, to the user."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A tensor: its axes, the length of each of its axes C, and the origins of each channel, in C order."""

    layout: str
    sizes: tuple[int, ...]
    channels: Sequence[Origins]

    @classmethod
    def of_layer(cls, key: str, layout: str, signs: Sequence[int]) -> Traced:
        """The output of a layer, or of the activation after it; `signs` has one per filter."""
        channels = [(Origin(key, number, sign),) for number, sign in enumerate(signs)]
        return cls(layout, (len(channels),), channels)

    def times(self, signs: Sequence[int]) -> Traced:
        """With the sign of each channel multiplied."""
        channels = [
            tuple(origin._replace(sign=origin.sign * sign) for origin in origins)
            for origins, sign in zip(self.channels, signs, strict=True)
        ]
        return Traced(self.layout, self.sizes, channels)

    def picked(self, numbers: Sequence[int]) -> Traced:
        """With some of the channels, in one axis."""
        return Traced(self.layout, (len(numbers),), [self.channels[number] for number in numbers])


def key_of(graph: GraphView, tensor: str) -> tuple[str, str]:
    """The scope of the graph that defines a tensor, and its name."""
    home = graph.home(tensor)
    return (graph.scope if home is None else home.scope), tensor


def data_inputs(node: onnx.NodeProto) -> Sequence[str]:
    """The inputs of a node whose channels reach its outputs; for a gate, what is multiplied by it too."""
    start, step = SEVERAL.get(node.op_type, (0, len(node.input) or 1))
    return list(node.input)[start::step]


@dataclass(frozen=True, slots=True)
class Step:
    """A node, and what is known of its inputs."""

    graph: GraphView
    node: onnx.NodeProto
    found: Mapping[tuple[str, str], Traced | Untraced]

    def traced(self, name: str) -> Traced:
        found = self.found.get(key_of(self.graph, name))
        if isinstance(found, Untraced):
            raise found
        if found is None:
            raise self.untraced()
        return found

    def first(self) -> Traced:
        return self.traced(self.node.input[0])

    def varying(self) -> list[str]:
        """The inputs that are no constants."""
        return [name for name in data_inputs(self.node) if name and not self.graph.is_constant(name)]

    def untraced(self) -> Untraced:
        return Untraced(f"its channels cannot be followed through node {label(self.node)}")

    def constant(self, name: str, traced: Traced) -> np.ndarray[Any, Any]:
        """A constant with one number per channel of a tensor."""
        count = len(traced.channels)
        if traced.layout.count("C") != 1:
            raise self.untraced()
        values = aligned(self.graph, self.node, name, traced.layout, count)
        if values is None:
            raise self.untraced()
        return np.broadcast_to(values, (count,))


def _same(step: Step) -> Traced:
    """Operators on each channel by itself, increasing as far as signs are concerned."""
    return step.first()


def _channels_first(step: Step) -> Traced:
    """Operators whose channels are the second axis, as pools and resizing."""
    found = step.first()
    last = bool(attributes(step.node).get("channels_last", 0)) or step.node.op_type.startswith("Nhwc")
    if found.layout.count("C") != 1 or found.layout.index("C") != (len(found.layout) - 1 if last else 1):
        raise step.untraced()
    return found


def _resize(step: Step) -> Traced:
    """Resizing and padding of positions: the number of channels stays."""
    found, shape = step.first(), step.graph.shape(step.node.output[0])
    count = shape[found.layout.index("C")] if shape and len(shape) == len(found.layout) else None
    is_kept = count == len(found.channels)
    if not is_kept and (isinstance(count, int) or step.node.op_type.startswith("Reduce")):
        raise step.untraced()
    return found


def _norm(step: Step) -> Traced:
    """Norms with a scale per channel, as second input or, for a batch norm, divided by a positive number."""
    found = step.first()
    if step.node.op_type == "LRN" or len(step.node.input) < 2 or not step.node.input[1]:
        return found
    scale = np.asarray(step.graph.constant(step.node.input[1]), np.float64).ravel()
    if scale.size != len(found.channels):
        raise step.untraced()
    return found.times([int(sign) for sign in np.sign(scale)])


def _negative(step: Step) -> Traced:
    found = step.first()
    return found.times([-1] * len(found.channels))


def _sum(step: Step) -> Traced:
    """Sums, means and the like of several tensors and constants; all branches come together."""
    parts = [step.traced(name) for name in step.varying()]
    if step.node.op_type == "Sub" and step.node.input[1] in step.varying():
        parts[-1] = parts[-1].times([-1] * len(parts[-1].channels))
    return _merged(step, parts)


def _merged(step: Step, parts: Sequence[Traced]) -> Traced:
    count = max(len(part.channels) for part in parts)
    widest = max(parts, key=lambda part: (len(part.channels), len(part.layout)))
    if any(len(part.channels) not in (1, count) for part in parts):
        raise step.untraced()
    if len({part.layout for part in parts if len(part.channels) == count}) > 1:
        raise step.untraced()
    each = [part.channels if len(part.channels) == count else list(part.channels) * count for part in parts]
    channels = [tuple(dict.fromkeys(chain(*origins))) for origins in zip(*each, strict=True)]
    return Traced(widest.layout, widest.sizes, channels)


def _product(step: Step) -> Traced:
    """Products with constants or with a gate: a positive number per channel, as after a Sigmoid."""
    one, other = data_inputs(step.node)
    for name, factor in ((one, other), (other, one)):
        if step.graph.is_constant(name) or (step.node.op_type == "Div" and name == other):
            continue
        if step.graph.is_constant(factor):
            traced = step.traced(name)
            signs = np.sign(step.constant(factor, traced).astype(np.float64))
            return traced.times([int(sign) for sign in signs])
        if _is_gate(step.graph, factor):
            return step.traced(name)
    raise step.untraced()


def _is_gate(graph: GraphView, tensor: str) -> bool:
    """Whether a tensor is a Sigmoid or the like, perhaps reshaped."""
    for _ in range(8):
        node = graph.producer(tensor)
        if node is None or not node.input:
            return False
        if node.op_type == "Clip":
            given = len(node.input) > 1 and node.input[1]
            low = graph.constant(node.input[1]) if given else attributes(node).get("min", -np.inf)
            return bool(np.min(low) >= 0)
        if node.op_type in GATES:
            return True
        if node.op_type not in {*LAYOUT_OPERATORS, "Identity", "Cast", "Expand", "DequantizeLinear"}:
            return False
        tensor = node.input[0]
    return False


def _concat(step: Step) -> Traced:
    parts = [step.traced(name) for name in data_inputs(step.node)]
    layout = parts[0].layout
    if any(part.layout != layout for part in parts):
        raise step.untraced()
    if layout.count("C") != 1 or layout[attributes(step.node)["axis"]] != "C":
        return _merged(step, parts)
    channels = [*chain.from_iterable(part.channels for part in parts)]
    return Traced(layout, (len(channels),), channels)


def _split(step: Step) -> list[Traced]:
    found, count = step.first(), len(step.node.output)
    if found.layout.count("C") != 1 or found.layout[attributes(step.node).get("axis", 0)] != "C":
        return [found] * count
    whole = len(found.channels)
    part = -(-whole // count)
    sizes = integer_list(step.graph, step.node, "split") or [
        min(part, whole - start) for start in range(0, whole, part)
    ]
    if len(sizes) != count or sum(sizes) != whole:
        raise step.untraced()
    ends = list(accumulate(sizes))
    return [found.picked(range(end - size, end)) for end, size in zip(ends, sizes, strict=True)]


def _slice(step: Step) -> Traced:
    found = step.first()
    given = [integer_list(step.graph, step.node, name, place) for place, name in enumerate(SLICE, 1)]
    starts, ends = given[0] or [], given[1] or []
    axes, steps = given[2] or [*range(len(starts))], given[3] or [1] * len(starts)
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        if found.layout[axis] == "C":
            if found.layout.count("C") != 1:
                raise step.untraced()
            found = found.picked(range(len(found.channels))[slice(*bounds)])
    if not starts:
        raise step.untraced()
    return found


def _gather(step: Step) -> Traced:
    found = step.first()
    indices = np.asarray(step.graph.constant(step.node.input[1]))
    if found.layout.count("C") != 1 or found.layout[attributes(step.node).get("axis", 0)] != "C":
        raise step.untraced()
    if indices.ndim != 1 or indices.size > MOST_ORIGINS:
        raise step.untraced()
    return found.picked(indices.tolist())


def _layout_change(step: Step) -> Traced:
    """Transposes and reshapes; the channels may be split into several axes, as when they are shuffled."""
    found, node = step.first(), step.node
    if node.op_type == "Transpose":
        rank = len(found.layout)
        order = attributes(node).get("perm", [*range(rank)][::-1])
        places = [[*found.layout[:axis]].count("C") for axis in order if found.layout[axis] == "C"]
        numbers = np.arange(len(found.channels)).reshape(found.sizes).transpose(places)
        layout = "".join(found.layout[axis] for axis in order)
        return Traced(layout, numbers.shape, [found.channels[number] for number in numbers.ravel().tolist()])
    moved = layout_after(step.graph, node, node.input[0], found.layout)
    if moved is not None:
        return Traced(moved, found.sizes, found.channels)
    if node.op_type != "Reshape" or "C" * found.layout.count("C") not in found.layout:
        raise step.untraced()
    shape = step.graph.shape(node.input[0]) or (None,) * len(found.layout)
    after = reshape_target(step.graph, node, shape)
    start = found.layout.index("C")
    positions = len(found.layout) - start - len(found.sizes)
    sizes = after[start : len(after) - positions]
    if found.layout[:start] not in ("", "N") or not sizes or not all(isinstance(size, int) for size in sizes):
        raise step.untraced()
    if product([int(str(size)) for size in sizes]) != len(found.channels):
        raise step.untraced()
    layout = found.layout[:start] + "C" * len(sizes) + found.layout[start + len(found.sizes) :]
    return Traced(layout, tuple(int(str(size)) for size in sizes), found.channels)


def _depth_to_space(step: Step) -> Traced:
    """Each channel afterwards has the positions of several channels before."""
    found, given = _channels_first(step), attributes(step.node)
    block = given["blocksize"] ** 2
    count = len(found.channels) // block
    every = np.arange(count * block)
    groups = every.reshape(count, block) if given.get("mode") == "CRD" else every.reshape(block, count).T
    channels = [
        tuple(dict.fromkeys(chain(*(found.channels[number] for number in group)))) for group in groups
    ]
    return Traced(found.layout, (count,), channels)


def _space_to_depth(step: Step) -> Traced:
    found = _channels_first(step)
    return found.picked([*range(len(found.channels))] * attributes(step.node)["blocksize"] ** 2)


SLICE = ("starts", "ends", "axes", "steps")
GATES = frozenset({"Sigmoid", "HardSigmoid", "QLinearSigmoid", "Softmax"})
"""Operators whose results are not negative, where they are factors."""

SEVERAL = {
    **dict.fromkeys(("Add", "Sub", "Sum", "Mean", "Max", "Min", "Mul", "Div", "Concat"), (0, 1)),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), (0, 3)),
    "QLinearConcat": (2, 3),
}
"""Operators with several tensors as inputs: where these begin, and how far apart they are."""

RULES: dict[str, Callable[[Step], Traced | list[Traced]]] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast", "CastLike", "QuantizeLinear", "DequantizeLinear"), _same),
    **dict.fromkeys(("DynamicQuantizeLinear", "Clip", "Erf", "Sqrt", "Exp", "Floor", "Ceil", "Round"), _same),
    **dict.fromkeys(set(ACTIVATIONS) - {"Softmax", "LogSoftmax"}, _same),
    **dict.fromkeys(
        (f"{scope}{kind}Pool" for scope in ("", "Global") for kind in ("Max", "Average", "Lp")),
        _channels_first,
    ),
    **dict.fromkeys(("NhwcMaxPool", "QLinearAveragePool", "QLinearGlobalAveragePool"), _channels_first),
    **dict.fromkeys(("Resize", "Upsample", "Pad", "Expand", "Tile", "ReduceMean", "ReduceMax"), _resize),
    **dict.fromkeys(("BatchNormalization", *NORMS), _norm),
    "Neg": _negative,
    **dict.fromkeys(("Add", "Sub", "Sum", "Mean", "Max", "Min", "QLinearAdd"), _sum),
    **dict.fromkeys(("Mul", "Div", "QLinearMul"), _product),
    **dict.fromkeys(("Concat", "QLinearConcat"), _concat),
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    **dict.fromkeys(LAYOUT_OPERATORS, _layout_change),
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
"""By operator; through others, channels cannot be followed."""
