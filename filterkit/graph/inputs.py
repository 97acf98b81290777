"""Which input of a graph is the picture, and how its axes lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filterkit.graph.tracing import Trace, trace
from filterkit.graph.view import GraphView, Shape
from filterkit.records import FilterBank

PICTURE_CHANNELS = (1, 3, 4)
LAYOUTS: dict[tuple[int, ...], str] = {(0, 1, 2, 3): "NCHW", (0, 3, 1, 2): "NHWC"}
"""By where a convolution's N, C, H and W lie in the input."""
CONVOLUTIONS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv")


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
    for tensor, channels, axes in _read(graph, banks, traced):
        tracks = traced.tracks.get(tensor)
        sources = [track.source for track in tracks.axes if track is not None] if tracks is not None else []
        places = [source for source in sources if source is not None]
        if len(places) != axes or len({which for which, _ in places}) != 1:
            continue
        given = graph.inputs[places[0][0]]
        layout = LAYOUTS.get(tuple(axis for _, axis in places))
        if channels not in PICTURE_CHANNELS:
            layout = None
        return InputInfo(given.name, layout, channels, given.shape)
    if not graph.inputs:
        return None
    return InputInfo(graph.inputs[0].name, None, None, graph.inputs[0].shape)


def _read(graph: GraphView, banks: Sequence[FilterBank], traced: Trace) -> Iterator[tuple[str, int, int]]:
    """What convolutions read, whether they are among the banks or not: tensor, channels, number of axes."""
    for bank in banks:
        yield bank.input_tensor, bank.in_channels, len(bank.kernel_shape) + 2
    for node in graph.nodes:
        shape = traced.shapes.get(node.input[0]) if node.op_type in CONVOLUTIONS and node.input else None
        if shape is not None and len(shape) > 2 and isinstance(shape[1], int):
            yield node.input[0], shape[1], len(shape)
