"""Compute only the positions of maps that one position of the target depends on.

In the part of a picture that a position needs, a convolution before it would compute all positions, most of
them in vain: the layers before a position form a pyramid. Here each computes its share; what it reads beyond
the borders of the picture stays padding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, helper

from filterkit.geometry import product
from filterkit.graph.gradient.backward import Backward, Builder, operator_of
from filterkit.graph.gradient.facts import Facts
from filterkit.graph.gradient.narrow import PARAMETERS
from filterkit.graph.gradient.sliding_windows import windows_of
from filterkit.graph.gradient.target import Target
from filterkit.graph.view.walk import attributes, reads

WORTHWHILE = 0.8
"""Share of the numbers above which everything is computed."""

WINDOWS = frozenset(("Conv", "MaxPool", "AveragePool"))
ELEMENTWISE = frozenset(("Add", "Sub", "Mul", "Div", "Sum", "Min", "Max", "PRelu", "Identity"))

Span = tuple[int, int]
"""The first and the last position along an axis."""

Spans = tuple[Span, ...]
"""One along each axis of positions."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a node reads to compute a part of its output.

    Attributes
    ----------
    spans
        By place among its inputs; others are read as a whole.
    pads
        Of a sliding window, for this part.
    """

    spans: Mapping[int, Spans]
    pads: tuple[int, ...] | None = None


def trim(
    model: ModelProto, target: Target, kept: Collection[str], facts: Facts, builder: Builder
) -> tuple[Target, Facts]:
    """Reduce the maps before a position to what it depends on.

    Parameters
    ----------
    model
        Cut at the target; changed in place.
    kept
        Tensors that must stay whole.

    Returns
    -------
    Target, Facts
        The position in what is left of the map, and the shapes of what was changed; the same as before if
        nothing was.
    """
    spans = _position(target, facts)
    if spans is None or target.tensor in kept:
        return target, facts
    nodes = list(model.graph.node)
    wanted, readings = _backwards(nodes, {target.tensor: spans}, kept, facts)
    if target.tensor not in wanted or not _is_worthwhile(wanted, facts):
        return target, facts
    shapes, types, computed = {**facts.shapes}, {**facts.types}, {**facts.computed}
    for name, part in wanted.items():
        shapes[name] = (*shapes[name][:2], *map(_length, part))

    def sliced(name: str, part: Spans) -> str:
        """A part of a tensor, of which perhaps only a part is computed."""
        shape, offsets = shapes[name], wanted.get(name, ((0, 0),) * len(part))
        starts = [first - offset for (first, _), (offset, _) in zip(part, offsets, strict=True)]
        sizes = tuple(map(_length, part))
        if sizes == shape[2:]:
            return name
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        bounds = [np.array(each, np.int64) for each in (starts, ends, range(2, len(shape)))]
        constants = [builder.const(each) for each in bounds]
        computed.update(zip(constants, bounds, strict=True))
        shapes.update((constant, bound.shape) for constant, bound in zip(constants, bounds, strict=True))
        found = builder.op("Slice", name, *constants)
        shapes[found] = (*shape[:2], *sizes)
        types.update({found: types[name]} if name in types else {})
        return found

    changed: list[NodeProto] = []
    before = len(builder.nodes)
    for node in nodes:
        copy = NodeProto.FromString(node.SerializeToString())
        if node.output[0] in wanted:
            reading = readings[node.output[0]]
            for place, part in reading.spans.items():
                copy.input[place] = sliced(node.input[place], part)
            if reading.pads is not None:
                _pad(copy, reading.pads)
        changed += [*builder.nodes[before:], copy]
        del builder.nodes[before:]
    del model.graph.node[:]
    model.graph.node.extend(changed)
    facts = replace(facts, shapes=shapes, types=types, computed=computed)
    return replace(target, position=(0,) * len(spans)), facts


def _length(span: Span) -> int:
    return span[1] - span[0] + 1


def _position(target: Target, facts: Facts) -> Spans | None:
    """The position of a target, if it is one in maps of known size."""
    shape, position = facts.shapes.get(target.tensor, ()), target.position
    fits = target.layout[:2] == "NC" and target.layout.count("C") == 1 and len(shape) == len(target.layout)
    if isinstance(position, str) or target.from_inputs or not fits or len(shape) != 2 + len(position):
        return None
    inside = all(0 <= place < size for place, size in zip(position, shape[2:], strict=True))
    return tuple((place, place) for place in position) if inside and position else None


def _backwards(
    nodes: Sequence[NodeProto], wanted: dict[str, Spans], kept: Collection[str], facts: Facts
) -> tuple[dict[str, Spans], dict[str, Reading]]:
    """The part of each tensor that is computed, where it is less than all, and what its node reads for it."""
    whole = set(kept)
    readings = {}
    for node in reversed(nodes):
        name, *others = node.output
        reading = None
        if name in wanted and name not in whole and not any(others):
            reading = _reading(node, wanted[name], facts)
        if reading is None:
            wanted.pop(name, None)
            whole.update(reads(node))
            continue
        readings[name] = reading
        for place, read in enumerate(node.input):
            if place not in reading.spans:
                whole.add(read)
            else:
                spans = zip(wanted.get(read, reading.spans[place]), reading.spans[place], strict=True)
                wanted[read] = tuple((min(one[0], two[0]), max(one[1], two[1])) for one, two in spans)
    return {name: spans for name, spans in wanted.items() if name in readings}, readings


def _reading(node: NodeProto, spans: Spans, facts: Facts) -> Reading | None:
    """What a node reads for a part of its output; None if that is not known."""
    domain, operator = operator_of(node)
    shapes = [facts.shapes.get(name) for name in node.input]
    output = facts.shapes.get(node.output[0])
    if domain or output is None or not shapes or shapes[0] is None or len(output) != 2 + len(spans):
        return None
    if operator in WINDOWS:
        return _of_windows(node, spans, facts) if len(shapes[0]) == len(output) else None
    if operator in PARAMETERS or operator == "LRN":
        return Reading({0: spans}) if shapes[0] == output else None
    if operator == "Concat":
        is_of_channels = attributes(node).get("axis") in (1, 1 - len(output))
        return Reading(dict.fromkeys(range(len(shapes)), spans)) if is_of_channels else None
    if operator not in ELEMENTWISE:
        return None
    read = {}
    for place, shape in enumerate(shapes):
        space = None if shape is None else shape[-len(spans) :] if len(shape) >= len(spans) else shape
        if space is None or (space != output[2:] and any(size != 1 for size in space)):
            return None
        if shape is not None and len(shape) == len(output) and space == output[2:]:
            read[place] = spans
        elif any(size != 1 for size in space):  # positions without channels
            return None
    return Reading(read)


def _of_windows(node: NodeProto, spans: Spans, facts: Facts) -> Reading | None:
    given = attributes(node)
    kernel = given.get("kernel_shape") or facts.shape(node.input[1])[2:]
    windows = windows_of(Backward(node, facts, Builder({}, np.dtype(np.float32)), [], []), kernel)
    found: list[Span] = []
    before, after = [], []
    for axis, end, (first, last) in zip(windows.axes, windows.after, spans, strict=True):
        low = first * axis.stride - axis.before
        high = last * axis.stride - axis.before + axis.spread
        found.append((max(low, 0), min(high, axis.size - 1)))
        before.append(max(-low, 0))
        after.append(max(high - axis.size + 1, 0))
        if found[-1][0] > found[-1][1] or after[-1] > max(end, 0):  # in the padding alone, or beyond it
            return None
    return Reading({0: tuple(found)}, (*before, *after))


def _is_worthwhile(wanted: Mapping[str, Spans], facts: Facts) -> bool:
    whole = [facts.shapes[name] for name in wanted]
    left = [(*facts.shapes[name][:2], *map(_length, spans)) for name, spans in wanted.items()]
    return sum(map(product, left)) <= WORTHWHILE * sum(map(product, whole))


def _pad(node: NodeProto, pads: Sequence[int]) -> None:
    rest = [each for each in node.attribute if each.name not in ("pads", "auto_pad", "ceil_mode")]
    rest = [AttributeProto.FromString(each.SerializeToString()) for each in rest]
    del node.attribute[:]
    node.attribute.extend([*rest, helper.make_attribute("pads", pads)])
