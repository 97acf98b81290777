"""Follow a layout through nodes that permute, add, drop or merge axes but keep the channels intact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx

from filterkit.graph.layers.constant_operands import integer_list, known_sizes, numbers_from_shapes
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes

NEW_LETTERS = "WHD123456789"
"""Letters for axes that are added, in order of use."""
SPATIAL = frozenset("DHW")
"""Spatial axes, which may be merged, and dropped where their length is 1; those with digits may be others."""

Size = int | str | None

LAYOUT_OPERATORS = frozenset({"Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten"})


def layout_after(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str) -> str | None:
    """Layout of the first output of a node of `LAYOUT_OPERATORS` that reads `tensor`.

    None where batch or channels do not remain an axis of their own, or where that is unknown.
    """
    if node.input[:1] != [tensor]:
        return None
    if node.op_type == "Transpose":
        perm = attributes(node).get("perm", range(len(layout))[::-1])
        if sorted(perm) != list(range(len(layout))):
            return None
        return "".join(layout[axis] for axis in perm)
    if "N" not in layout or layout.count("C") != 1:
        return None
    if node.op_type == "Squeeze":
        return _squeezed(graph, node, tensor, layout)
    if node.op_type == "Unsqueeze":
        return _unsqueezed(graph, node, layout)
    return _reshaped(graph, node, tensor, layout)


def _squeezed(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str) -> str | None:
    axes = _axes(graph, node, len(layout))
    if axes is None:
        shape = graph.shape(tensor)
        if len(node.input) > 1 or "axes" in attributes(node) or shape is None or len(shape) != len(layout):
            return None
        if not all(isinstance(size, int) for size in shape):  # an open size may be 1
            return None
        axes = [axis for axis, size in enumerate(shape) if size == 1]
    if any(layout[axis] not in SPATIAL for axis in axes):
        return None
    return _renamed("".join(letter for axis, letter in enumerate(layout) if axis not in axes))


def _renamed(layout: str) -> str:
    """The layout with the usual letters: one spatial axis is W, two are H and W."""
    space = sorted(SPATIAL.intersection(layout))
    return layout.translate(str.maketrans("".join(space), "DHW"[3 - len(space) :]))


def _unsqueezed(graph: GraphView, node: onnx.NodeProto, layout: str) -> str | None:
    more = _axes(graph, node, None)
    if not more or len(layout) + len(more) > len(NEW_LETTERS):
        return None
    rank = len(layout) + len(more)
    added = {axis % rank for axis in more if -rank <= axis < rank}
    if len(added) != len(more):
        return None
    new = iter([letter for letter in NEW_LETTERS if letter not in layout])
    old = iter(layout)
    return "".join(next(new) if axis in added else next(old) for axis in range(rank))


def _axes(graph: GraphView, node: onnx.NodeProto, rank: int | None) -> list[int] | None:
    """The axes that a Squeeze or Unsqueeze states, counted from the front if `rank` is given."""
    axes = integer_list(graph, node, "axes")
    if not axes or rank is None:
        return axes or None
    if not all(-rank <= axis < rank for axis in axes):
        return None
    return [axis % rank for axis in axes]


def _reshaped(graph: GraphView, node: onnx.NodeProto, tensor: str, layout: str) -> str | None:
    """Reshape and Flatten: the batch stays first and the channels second or last; spatial axes may change."""
    shape = graph.shape(tensor)
    if shape is None or len(shape) != len(layout) or layout[0] != "N" or len(layout) < 2:
        return None
    before: list[Size] = [f"axis {axis}" if size is None else size for axis, size in enumerate(shape)]
    if node.op_type == "Flatten":
        is_single = all(size == 1 for size, letter in zip(before, layout, strict=True) if letter in SPATIAL)
        whole = set(layout) - SPATIAL == {"N", "C"}
        return "NC" if attributes(node).get("axis", 1) == 1 and is_single and whole else None
    after = reshape_target(graph, node, before)
    if len(after) < 2:
        return None
    if layout[1] == "C":
        channels, space, letters = after[1], slice(2, None), layout[2:]
    elif layout[-1] == "C":
        channels, space, letters = after[-1], slice(1, -1), layout[1:-1]
    else:
        return None
    if channels is None or channels != before[layout.index("C")]:
        return None
    sizes, expected = before[space], after[space]
    if after[0] != before[0] and (_length(sizes) is None or _length(sizes) != _length(expected)):
        return None
    found = _spatial_letters(letters, sizes, expected)
    if found is None:
        return None
    return _renamed(f"NC{found}" if layout[1] == "C" else f"N{found}C")


def reshape_target(graph: GraphView, node: onnx.NodeProto, before: Sequence[Size]) -> list[Size]:
    """The output shape of a Reshape, None for unknown sizes; empty where the rank is unknown."""
    inferred = graph.shape(node.output[0])
    numbers = None
    if len(node.input) > 1 and node.input[1]:
        numbers = numbers_from_shapes(graph, node.input[1], lambda tensor: known_sizes(graph, tensor))
    if numbers is None:
        return list(inferred or ())
    stated = [int(size) if math.isfinite(size) else -1 for size in numbers]
    zero_means_zero = attributes(node).get("allowzero", 0)
    after: list[Size] = [
        before[axis]
        if size == 0 and axis < len(before) and not zero_means_zero
        else (size if size > 0 else None)
        for axis, size in enumerate(stated)
    ]
    if inferred is not None and len(inferred) == len(after):
        after = [size if size is not None else known for size, known in zip(after, inferred, strict=True)]
    open_axes = [axis for axis, size in enumerate(after) if not isinstance(size, int)]
    if len(open_axes) == 1 and open_axes[0] and after[0] == before[0]:
        whole, rest = _length(before[1:]), _length([size for size in after[1:] if isinstance(size, int)])
        if whole is not None and rest and whole % rest == 0:
            after[open_axes[0]] = whole // rest
    return after


def _length(sizes: Sequence[Size]) -> int | None:
    total = 1
    for size in sizes:
        if not isinstance(size, int):
            return None
        total *= size
    return total


def _spatial_letters(letters: str, sizes: Sequence[Size], expected: Sequence[Size]) -> str | None:
    """Letters of the spatial axes after a Reshape that keeps batch and channels."""
    if len(sizes) == len(expected) and sum(map(_differ, sizes, expected)) <= 1:
        return letters  # a single difference is an unknown size: the number of elements is the same
    longer = [(letter, size) for letter, size in zip(letters, sizes, strict=True) if size != 1]
    others = [size for size in expected if size != 1]
    dropped = set(letters) - {letter for letter, _ in longer}
    if (
        len(longer) == len(others)
        and sum(_differ(size, other) for (_, size), other in zip(longer, others, strict=True)) <= 1
    ):
        kept = [letter for letter, _ in longer]
    elif len(others) == 1 and set(letters) <= SPATIAL:
        kept, dropped = ["W"], set()
    elif 1 < len(others) <= len(SPATIAL) and set(letters) <= SPATIAL and _length(sizes) == _length(expected):
        kept, dropped = [*"DHW"[-len(others) :]], set()  # e.g. positions that were merged before
    else:
        return None
    if not dropped <= SPATIAL:
        return None
    new = iter([letter for letter in NEW_LETTERS if letter not in kept])
    old = iter(kept)
    return "".join(next(new) if size == 1 else next(old) for size in expected)


def _differ(size: Size, other: Size) -> bool:
    return size is None or other is None or size != other


def shapes_may_match(one: Sequence[object] | None, other: Sequence[object] | None) -> bool:
    """Whether two shapes agree as far as they are known."""
    if one is None or other is None:
        return True
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(
        size == expected for size, expected in pairs if isinstance(size, int) and isinstance(expected, int)
    )
