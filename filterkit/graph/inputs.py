"""Which input of a graph is the picture, and how its axes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from filterkit.graph.tracing import Trace, trace
from filterkit.graph.view import GraphView, Shape
from filterkit.records import FilterBank

PICTURE_CHANNELS = (1, 3, 4)
LAYOUTS: dict[tuple[int, ...], str] = {(0, 1, 2, 3): "NCHW", (0, 3, 1, 2): "NHWC"}
"""By where a convolution's N, C, H and W lie in the input."""


@dataclass(frozen=True, slots=True)
class InputInfo:
    """The input that a model's first convolution reads.

    Attributes
    ----------
    layout
        ``"NCHW"`` or ``"NHWC"`` where it is a picture of 1, 3 or 4 channels, else None.
    channels
        Number of its channels, or None where it has no such axis.
    """

    name: str
    layout: str | None
    channels: int | None
    shape: Shape | None


def detect_input(graph: GraphView, banks: Sequence[FilterBank]) -> InputInfo | None:
    """The input behind the first convolution whose axes follow an input's axes; None without any input.

    The layout is not guessed from sizes: it is where a convolution finds its channels, height and width.
    """
    return picture_of(graph, banks, trace(graph, {}))


def picture_of(graph: GraphView, banks: Sequence[FilterBank], traced: Trace) -> InputInfo | None:
    """`detect_input` on a graph that was traced already."""
    for bank in banks:
        tracks = traced.tracks.get(bank.input_tensor)
        sources = [track.source for track in tracks.axes if track is not None] if tracks is not None else []
        places = [source for source in sources if source is not None]
        if len(places) != len(bank.kernel_shape) + 2 or len({which for which, _ in places}) != 1:
            continue
        given = graph.inputs[places[0][0]]
        layout = LAYOUTS.get(tuple(axis for _, axis in places))
        if layout is None or bank.in_channels not in PICTURE_CHANNELS:
            return InputInfo(given.name, None, bank.in_channels, given.shape)
        return InputInfo(given.name, layout, bank.in_channels, given.shape)
    if not graph.inputs:
        return None
    return InputInfo(graph.inputs[0].name, None, None, graph.inputs[0].shape)
