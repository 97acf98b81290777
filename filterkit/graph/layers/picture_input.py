"""Detect which input of a graph is the picture, and its layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from filterkit import budget
from filterkit.errors import UsageError, closest
from filterkit.graph.axes.reshaped_axes import Axis, track_of
from filterkit.graph.axes.tensor_axes import Tracks
from filterkit.graph.axes.trace import Trace
from filterkit.graph.loading.names import shown
from filterkit.graph.view.view import GraphView, Shape
from filterkit.records import FilterBank

PICTURE_CHANNELS = (1, 3, 4)
MOST_BANDS = 4096
"""Maximum number of channels of a picture."""
LAYOUTS = ("NCHW", "NHWC")
CONVOLUTIONS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv")


@dataclass(frozen=True, slots=True)
class InputInfo:
    """The input that a model's first convolution reads.

    Attributes
    ----------
    layout
        ``"NCHW"`` or ``"NHWC"`` for a picture, of any number of channels; else None.
    channels
        Number of channels; None where there is no such axis or the number is unknown.
    dtype
        Element type, as a NumPy name.
    """

    name: str
    layout: str | None
    channels: int | None
    shape: Shape | None
    dtype: str = "float32"


def picture_of(
    graph: GraphView,
    banks: Sequence[FilterBank],
    traced: Trace,
    *,
    name: str | None = None,
    layout: str | None = None,
) -> InputInfo | None:
    """Detect the picture among a graph's inputs; if there is none, the input of the first convolution.

    A picture has four axes. Of several such inputs that reach a convolution, one with 3 channels is
    preferred, then 4, then 1, then any other number; among equals, the one that reaches a convolution first.
    Nodes in between (slices, flips, gray, space to depth) may change the channels: the layout is determined
    by the axes that a convolution's height and width follow or, where that is unknown, by the axis of length
    1, 3 or 4.

    Parameters
    ----------
    name, layout
        If given, they override detection.

    Returns
    -------
    InputInfo or None
        None where the graph has no inputs.

    Raises
    ------
    UsageError
        There is no input of that name, it does not have four axes, or it contradicts `layout`.
    """
    reads = list(_convolution_inputs(graph, banks, traced))
    if name is not None:
        index = _index_of(graph, name)
        return _stated_input(graph, index, traced, reads, layout)
    found = _first_picture(graph, traced, reads)
    if layout is not None:
        index = _only_candidate(graph) if found is None else _index_of(graph, found.name)
        return _stated_input(graph, index, traced, reads, layout)
    if found is not None:
        return found
    return _other_input(graph, traced, reads)


def fixed_size(shape: Sequence[object] | None, layout: str | None) -> tuple[int | None, int | None]:
    """The height and the width that a file fixes, each None where it is open."""
    sizes = dict(zip(layout or "", shape or (), strict=False))
    height, width = (size if isinstance(size, int) and size > 0 else None for size in map(sizes.get, "HW"))
    return height, width


def _convolution_inputs(
    graph: GraphView, banks: Sequence[FilterBank], traced: Trace
) -> Iterator[tuple[str, int, int]]:
    """Inputs of convolutions, also of those without a bank: tensor, channels, number of axes."""
    for bank in banks:
        yield bank.input_tensor, bank.in_channels, len(bank.kernel_shape) + 2
    for node in graph.nodes:
        shape = traced.shapes.get(node.input[0]) if node.op_type in CONVOLUTIONS and node.input else None
        if shape is not None and len(shape) > 2 and isinstance(shape[1], int):
            yield node.input[0], shape[1], len(shape)


Reads = Sequence[tuple[str, int, int]]


def _first_picture(graph: GraphView, traced: Trace, reads: Reads) -> InputInfo | None:
    """The preferred one of the inputs with four axes that reach a two-dimensional convolution.

    Among equals it is the one that reaches a convolution first.
    """
    infos: list[InputInfo] = []
    seen: set[int] = set()
    for index, (tensor, _, axes) in enumerate(reads):
        budget.step("tracing '{}' back to the picture", tensor)
        tracks = traced.tracks.get(tensor)
        if tracks is None or axes != 4:
            continue
        reached = {which for which, _ in tracks.sources() if len(graph.inputs[which].shape or ()) == 4}
        for which in sorted(reached - seen):
            # No convolution before this one reads it.
            infos.append(_info(graph, which, traced, reads[index:]))
            if _preference(infos[-1]) == 0:
                return infos[-1]
        seen |= reached
    if infos and infos[0].layout is None:
        return infos[0]  # e.g. a spectrum with smaller states
    if not infos and not any(_follows_an_input(traced, read) for read in reads):
        # Only bodies have convolutions, and bodies are not traced.
        infos = [
            InputInfo(value.name, layout, _size_at(value.shape, layout), value.shape, value.dtype)
            for value in graph.inputs
            if (layout := _layout_by_sizes(value.shape)) is not None
        ]
    return min(infos, key=_preference, default=None)


def _follows_an_input(traced: Trace, read: tuple[str, int, int]) -> bool:
    tracks = traced.tracks.get(read[0])
    return tracks is not None and bool(tracks.sources())


def _preference(info: InputInfo) -> int:
    """Sort key by which inputs are preferred as the picture; the lowest is first."""
    if info.layout is None:
        return 4
    return {3: 0, 4: 1, 1: 2}.get(info.channels or 0, 3)


def _info(graph: GraphView, which: int, traced: Trace, reads: Reads) -> InputInfo:
    """Info on an input with four axes; its layout is None where it is not a picture."""
    value = graph.inputs[which]
    axes, in_channels = _followed_axes(which, traced, reads)
    by_sizes = _layout_by_sizes(value.shape)
    layout = _layout_by_axes(axes)
    is_doubtful = "C" not in axes and _size_at(value.shape, layout) not in (*PICTURE_CHANNELS, None)
    if layout is None or (by_sizes and is_doubtful):
        layout = by_sizes
    channels = _size_at(value.shape, layout)
    if channels is None and layout is not None and axes.get("C") == layout.index("C"):
        channels = in_channels
    if channels is not None and channels not in PICTURE_CHANNELS:
        # Multispectral pictures have other numbers of channels, but so do many other inputs.
        whole = layout is not None and all(axes.get(letter) == layout.index(letter) for letter in "HW")
        layout = layout if whole and 0 < channels <= MOST_BANDS else None
    return InputInfo(value.name, layout, channels, value.shape, value.dtype)


def _followed_axes(which: int, traced: Trace, reads: Reads) -> tuple[Mapping[str, int], int | None]:
    """The axes of an input that C, H and W of a convolution follow, and the convolution's channels.

    They are those of the first convolution that follows any. C is included only where it is the input's axis
    one to one.
    """
    for tensor, in_channels, axes in reads:
        tracks = traced.tracks.get(tensor)
        if tracks is None or axes != 4 or len(tracks.axes) != 4:
            continue
        found = {
            letter: track.source[1]
            for letter, track in zip("NCHW", tracks.axes, strict=True)
            if track is not None and track.source is not None and track.source[0] == which
        }
        if "C" in found and not _is_identity(tracks.axes[1]):
            del found["C"]
        found.pop("N", None)
        if found:
            return found, in_channels
    return {}, None


def _is_identity(axis: Axis) -> bool:
    track = track_of(axis)
    return track is not None and track.reach.field == track.reach.jump == 1 and not track.reach.offset


def _layout_by_axes(axes: Mapping[str, int]) -> str | None:
    if "C" in axes:
        return {1: "NCHW", 3: "NHWC"}.get(axes["C"])
    space = {axes[letter] for letter in "HW" if letter in axes}
    if space >= {1, 3} or not space & {1, 2, 3}:
        return None
    if space == {2}:
        return "NCHW" if axes.get("H") == 2 else "NHWC"
    return "NCHW" if 3 in space else "NHWC"


def _layout_by_sizes(shape: Shape | None) -> str | None:
    """The layout of four axes whose second or last has the length of a picture's channels."""
    if shape is None or len(shape) != 4:
        return None
    for channels in (3, 1, 4):
        if channels in (shape[1], shape[3]):
            return "NCHW" if shape[1] == channels else "NHWC"
    return None


def _size_at(shape: Shape | None, layout: str | None) -> int | None:
    size = shape[layout.index("C")] if shape and layout else None
    return size if isinstance(size, int) else None


def _other_input(graph: GraphView, traced: Trace, reads: Reads) -> InputInfo | None:
    """The input that the first convolution follows with all its axes, or else the first input."""
    for tensor, channels, axes in reads:
        sources = _sources(traced.tracks.get(tensor))
        if len(sources) == axes and len({which for which, _ in sources}) == 1:
            given = graph.inputs[sources[0][0]]
            return InputInfo(given.name, None, channels, given.shape, given.dtype)
    if not graph.inputs:
        return None
    given = graph.inputs[0]
    return InputInfo(given.name, None, None, given.shape, given.dtype)


def _sources(tracks: Tracks | None) -> list[tuple[int, int]]:
    sources = [track.source for track in tracks.axes if track is not None] if tracks is not None else []
    return [source for source in sources if source is not None]


def _index_of(graph: GraphView, name: str) -> int:
    for index, value in enumerate(graph.inputs):
        if value.name == name:
            return index
    raise UsageError(
        f"the graph has no input '{shown(name)}'",
        hint=closest(name, (shown(value.name) for value in graph.inputs))
        if graph.inputs
        else "it has no inputs",
    )


def _only_candidate(graph: GraphView) -> int:
    """The only input that may be a picture.

    Raises
    ------
    UsageError
        There are none or several.
    """
    candidates = [index for index, value in enumerate(graph.inputs) if len(value.shape or ()) in (0, 4)]
    if len(candidates) != 1:
        names = ", ".join(f"'{shown(value.name)}'" for value in graph.inputs[:8])
        raise UsageError(
            "cannot determine which input the layout applies to",
            hint=f"add input=NAME, with one of: {names or 'none'}",
        )
    return candidates[0]


def _stated_input(graph: GraphView, which: int, traced: Trace, reads: Reads, layout: str | None) -> InputInfo:
    """The input that the user states is the picture, with the stated layout."""
    value = graph.inputs[which]
    words = " × ".join("?" if size is None else shown(str(size)) for size in value.shape or ())
    if value.shape is not None and len(value.shape) != 4:
        raise UsageError(
            f"input '{shown(value.name)}' ({words or 'scalar'}) has {len(value.shape)} axes; a picture has 4",
            hint="pass it as an array: filterkit maps --input FILE.npz",
        )
    info = _info(graph, which, traced, reads)
    axes, in_channels = _followed_axes(which, traced, reads)
    if layout is None:
        layout = info.layout or _layout_by_axes(axes)
    if layout is None:
        raise UsageError(
            f"cannot determine the channel axis of input '{shown(value.name)}' ({words or 'any shape'})",
            hint="add layout=NCHW or layout=NHWC",
        )
    index = layout.index("C")
    if axes.get("C", index) != index:
        raise UsageError(
            f"input '{shown(value.name)}' ({words}) is not {layout}: "
            f"the network has its channels on axis {axes['C']}",
            hint=f"layout={LAYOUTS[1 - LAYOUTS.index(layout)]}, or omit it",
        )
    channels = _size_at(value.shape, layout)
    if channels is None and (value.shape is None or axes.get("C") == index):
        channels = in_channels if axes else None
    return InputInfo(value.name, layout, channels, value.shape, value.dtype)
