"""The meaning of the axes of a product's output: pictures, positions, channels."""

from __future__ import annotations

from collections.abc import Collection

import filterkit

MOST_AXES = 5
_SPACE = ("", "W", "HW", "DHW")


def layout_of(graph: filterkit.GraphView, tensor: str, *, left: bool = False) -> str:
    """Letters of the axes, e.g. ``"NWC"`` for tokens; two axes are assumed if the shape is unknown.

    Channels come last, or second to last if the weight is the left factor. Pictures come first, unless
    exactly one other axis has the name of the model's picture axis.

    Raises
    ------
    Unresolved
        If there are too few axes, or too many.
    """
    rank = len(graph.shape(tensor) or (None, None))
    if not 2 <= rank <= MOST_AXES:
        raise filterkit.Unresolved(f"its output has {rank} axes")
    return letters_of(graph, tensor, rank, [rank - 2 if left else rank - 1])


def letters_of(graph: filterkit.GraphView, tensor: str, rank: int, channels: Collection[int]) -> str:
    """The same for an output of `rank` axes, at least one of which does not hold `channels`.

    Raises
    ------
    Unresolved
        If there are too many axes.
    """
    shape = graph.shape(tensor) or (None,) * rank
    others = [axis for axis in range(rank) if axis not in channels]
    if len(others) > len(_SPACE):
        raise filterkit.Unresolved(f"its output has {rank} axes")
    many = {value.shape[0] for value in _main(graph).inputs if value.shape}
    named = [axis for axis in others if isinstance(shape[axis], str) and shape[axis] in many]
    pictures = named[0] if len(named) == 1 else others[0]
    space = iter(_SPACE[len(others) - 1])
    return "".join(
        "C" if axis in channels else "N" if axis == pictures else next(space) for axis in range(rank)
    )


def _main(graph: filterkit.GraphView) -> filterkit.GraphView:
    while graph.outer is not None:
        graph = graph.outer
    return graph
