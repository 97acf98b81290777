"""What the axes of a product's output are: pictures, positions, channels."""

from __future__ import annotations

import filterkit

MOST_AXES = 5
_SPACE = ("", "W", "HW", "DHW")


def layout_of(graph: filterkit.GraphView, tensor: str, *, left: bool = False) -> str:
    """Letters of the axes, e.g. ``"NWC"`` for tokens; two axes where nothing is known of them.

    Channels come last, or last but one where the weight is the left factor. Pictures come first, unless
    another axis alone has the name of the axis in which the model takes pictures.

    Raises
    ------
    Unresolved
        There are too few axes, or too many.
    """
    shape = graph.shape(tensor) or (None, None)
    rank = len(shape)
    if not 2 <= rank <= MOST_AXES:
        raise filterkit.Unresolved(f"its output has {rank} axes")
    channels = rank - 2 if left else rank - 1
    others = [axis for axis in range(rank) if axis != channels]
    many = {value.shape[0] for value in _main(graph).inputs if value.shape}
    named = [
        axis for axis in others if shape is not None and isinstance(shape[axis], str) and shape[axis] in many
    ]
    pictures = named[0] if len(named) == 1 else others[0]
    letters = dict(zip((axis for axis in others if axis != pictures), _SPACE[rank - 2], strict=True))
    return "".join({channels: "C", pictures: "N", **letters}[axis] for axis in range(rank))


def _main(graph: filterkit.GraphView) -> filterkit.GraphView:
    while graph.outer is not None:
        graph = graph.outer
    return graph
