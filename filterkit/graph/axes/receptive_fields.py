"""Receptive field, output shape and cost of every layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from filterkit import budget
from filterkit.geometry import LARGEST, LayerGeometry, Reach, product
from filterkit.graph.axes.reshaped_axes import Track, track_of
from filterkit.graph.axes.tensor_axes import Sources, Tracks
from filterkit.graph.axes.trace import Trace, trace
from filterkit.graph.layers.picture_input import InputInfo, picture_of
from filterkit.graph.loading.checkpoint import PRODUCER
from filterkit.graph.view.view import GraphView, Shape, is_known
from filterkit.records import FilterBank, Preprocessing


def trace_geometry(
    graph: GraphView,
    banks: Sequence[FilterBank],
    preprocessing: Preprocessing | None = None,
    *,
    traced: Trace | None = None,
    picture: InputInfo | None = None,
) -> list[LayerGeometry]:
    """Compute the geometry of every layer, through branches, transposes and anything else in between.

    Parameters
    ----------
    graph
        The model.
    banks
        Its filter banks, in any order.
    preprocessing
        Gives the nominal size and the names of the picture's channels. Without it the sizes fixed by the file
        are used, and `macs` is None where the file leaves sizes open.
    traced
        The result of `trace` without sizes, if already computed.
    picture
        The result of `picture_of`, if already computed.

    Returns
    -------
    list of LayerGeometry
        One per bank. Where branches of different reach meet, the field covers all of them. Lengths are whole
        numbers after convolutions and poolings; upsampling gives fractional jumps.
    """
    traced = traced or trace(graph, {})
    picture = picture or picture_of(graph, banks, traced)
    fixed = {value.name for value in graph.inputs if value.shape is not None and is_known(value.shape[1:])}
    declared = traced.shapes if len(fixed) == len(graph.inputs) else {}
    sizes = _nominal(picture, preprocessing)
    if sizes:
        traced = trace(graph, sizes)
    countable = all(value.name in fixed or value.name in sizes for value in graph.inputs)
    is_network = (
        graph.producer_name != PRODUCER
    )  # otherwise no layer reads another, and receptive fields are unknown

    followed = (_followed_axes(bank, traced) for bank in banks if not bank.scope)
    along: Sources = frozenset().union(_spatial_axes(picture, traced), *followed)

    def geometry(bank: FilterBank) -> LayerGeometry:
        budget.step("computing the receptive field of layer '{}'", bank.node)
        if bank.scope:  # bodies are not traced
            return UNKNOWN
        channels = _input_channels(graph, bank, traced, picture, preprocessing)
        if not is_network:
            return replace(UNKNOWN, input_channels=channels)
        reaches = _reaches(bank, traced)
        return LayerGeometry(
            *_field_jump_offset(reaches, _extents(bank, traced)),
            output_shape=_output_shape(bank, graph, declared, reaches, traced),
            macs=_macs(bank, traced, picture) if countable else None,
            input_channels=channels,
            global_context=_global_context(bank, traced, reaches, along),
        )

    return [geometry(bank) for bank in banks]


def _nominal(picture: InputInfo | None, preprocessing: Preprocessing | None) -> dict[str, tuple[int, ...]]:
    """The picture's shape at its nominal size, by name of the input."""
    if picture is None or picture.layout is None or preprocessing is None or preprocessing.size is None:
        return {}
    height, width = preprocessing.size
    if picture.channels is None or min(height, width) < 1:
        return {}
    size = {"N": 1, "C": picture.channels, "H": height, "W": width}
    return {picture.name: tuple(size[letter] for letter in picture.layout)}


UNKNOWN = LayerGeometry(None, None, None, output_shape=None, macs=None)

Lengths = tuple[float, ...] | None


Extent = tuple[int | None, int | None]
"""Number of positions of a layer along an axis, and of the input along the axis that it follows."""


def _field_jump_offset(
    reaches: Sequence[Reach | None], extents: Sequence[Extent]
) -> tuple[Lengths, Lengths, Lengths]:
    """Receptive field, jump and offset along the spatial axes; None where one of them is unknown."""
    found = [reach for reach in reaches if reach is not None]
    if len(found) < len(reaches):
        return None, None, None
    fields = [reach.widest(*extent) for reach, extent in zip(found, extents, strict=True)]
    return (
        tuple(float(math.floor(field)) for field in fields),
        tuple(float(reach.jump) for reach in found),
        tuple(float(math.floor(reach.offset)) for reach in found),
    )


def _spatial_axes(picture: InputInfo | None, traced: Trace) -> Sources:
    """The spatial axes of the picture."""
    if picture is None or picture.layout is None:
        return frozenset()
    which = traced.inputs.index(picture.name)
    return frozenset((which, axis) for axis, letter in enumerate(picture.layout) if letter not in "NC")


def _followed_axes(bank: FilterBank, traced: Trace) -> Sources:
    """The input axes that a layer's spatial axes follow."""
    tracks = traced.tracks.get(bank.pre_tensor)
    if tracks is None:
        return frozenset()
    axes = [bank.pre_layout.index(letter) for letter in _canonical_layout(bank)[2:]]
    found = (tracks.track(axis) for axis in axes if axis < len(tracks.axes))
    return frozenset(track.source for track in found if track is not None and track.source is not None)


def _global_context(
    bank: FilterBank, traced: Trace, reaches: Sequence[Reach | None], along: Sources
) -> bool | None:
    """Whether a layer depends on the whole picture along at least one axis, regardless of its window.

    `along` are the spatial axes of the picture and those that any layer follows. They are used where the
    layer itself does not have a window on all of them, e.g. after a global pooling.
    """
    tracks = traced.tracks.get(bank.pre_tensor)
    if tracks is None:
        return None
    has_window = None not in reaches
    if tracks.spread & (_followed_axes(bank, traced) if has_window else along):
        return True
    return False if has_window else None


def _reaches(bank: FilterBank, traced: Trace) -> list[Reach | None]:
    """The reach of a layer along each of its spatial axes; None where that is unknown."""
    tracks = traced.tracks.get(bank.pre_tensor)
    found = [_known_track(tracks, bank.pre_layout.index(letter)) for letter in _canonical_layout(bank)[2:]]
    return [_forward_reach(track, traced) for track in found]


def _extents(bank: FilterBank, traced: Trace) -> list[Extent]:
    """The extent of each of the layer's spatial axes, at the sizes of the trace."""
    tracks, shape = traced.tracks.get(bank.pre_tensor), traced.shapes.get(bank.pre_tensor)
    if tracks is None or shape is None or not len(tracks.axes) == len(shape) == len(bank.pre_layout):
        return [(None, None)] * (len(bank.pre_layout) - 2)
    extents: list[Extent] = []
    for axis in (bank.pre_layout.index(letter) for letter in _canonical_layout(bank)[2:]):
        track = tracks.track(axis)
        which, of = track.source if track is not None and track.source is not None else (0, None)
        size = None if of is None else traced.shapes[traced.inputs[which]][of]
        positions = shape[axis]
        extents.append(
            (positions if isinstance(positions, int) else None, size if isinstance(size, int) else None)
        )
    return extents


def _canonical_layout(bank: FilterBank) -> str:
    """The layer's axes in canonical order, e.g. ``"NCHW"``."""
    return "NC" + "".join(sorted(set(bank.pre_layout) - {"N", "C"}))


def _forward_reach(track: Track | None, traced: Trace) -> Reach | None:
    """The reach of a track; where the axis is reversed, input pixels are counted from the other end."""
    if track is None:
        return None
    if track.source is None or track.reach.advance >= 0:
        return track.reach
    which, axis = track.source
    size = traced.shapes[traced.inputs[which]][axis]
    return track.reach.mirrored(size) if isinstance(size, int) else None


def _known_track(tracks: Tracks | None, axis: int) -> Track | None:
    """The track of an axis; None where it is unknown, or follows only a side input (a state, a mask)."""
    track = tracks.track(axis) if tracks is not None and axis < len(tracks.axes) else None
    if track is None or tracks is None or track.source in tracks.unknown:
        return None
    if track.source is not None and track.source[0] != min(tracks.sources())[0]:
        return None
    return track


def _output_shape(
    bank: FilterBank,
    graph: GraphView,
    declared: Mapping[str, Shape],
    reaches: Sequence[Reach | None],
    traced: Trace,
) -> tuple[int | str, ...] | None:
    """N C H W; an open size is written by the jump, e.g. ``"H/2"``: one position per two pixels, edges aside.

    `declared` are the shapes at the sizes that the file fixes; empty where it leaves some open.
    """
    inferred = graph.shape(bank.pre_tensor)
    shape = declared.get(bank.pre_tensor, inferred)
    if shape is None or len(shape) != len(bank.pre_layout):
        return None
    batch = (inferred or shape)[bank.pre_layout.index("N")]
    letters = _canonical_layout(bank)[2:]
    sizes = [shape[bank.pre_layout.index(letter)] for letter in letters]
    named = [
        size if isinstance(size, int) else _size_by_jump(letter, reach, extent)
        for size, letter, reach, extent in zip(sizes, letters, reaches, _extents(bank, traced), strict=True)
    ]
    return (batch if isinstance(batch, int) else "N", bank.out_channels, *named)


def _size_by_jump(letter: str, reach: Reach | None, extent: Extent) -> str:
    """The size in terms of the input's: the jump, corrected for resizing with aligned corners."""
    if reach is None:
        return "?"
    jump, (positions, size) = reach.jump, extent
    if positions and size:
        ratio = Fraction(size, positions)
        if ratio.denominator < jump.denominator and abs(ratio - abs(jump)) * positions <= 2 * ratio:
            jump = ratio
    up, down = jump.denominator, jump.numerator
    return f"{up if up > 1 else ''}{letter}{f'/{down}' if down > 1 else ''}"


def _macs(bank: FilterBank, traced: Trace, picture: InputInfo | None) -> int | None:
    """Multiply-accumulates for one picture.

    A convolution uses every weight once per output position, a transposed one once per input position.
    """
    transposed = "ConvTranspose" in bank.op
    shape = traced.shapes.get(bank.input_tensor if transposed else bank.pre_tensor)
    layout = _canonical_layout(bank) if transposed else bank.pre_layout
    if shape is None or len(shape) != len(layout):
        return None
    positions = [size for letter, size in zip(layout, shape, strict=True) if letter != "C"]
    if not all(isinstance(size, int) and size >= 0 for size in positions):
        return None
    pictures = traced.shapes[picture.name][picture.layout.index("N")] if picture and picture.layout else 1
    uses = product([int(size or 0) for size in positions]) * bank.weights.size
    macs = uses // max(int(pictures or 1), 1)
    return macs if macs <= LARGEST else None  # larger than an SQLite integer


def _input_channels(
    graph: GraphView,
    bank: FilterBank,
    traced: Trace,
    picture: InputInfo | None,
    preprocessing: Preprocessing | None,
) -> tuple[str, ...]:
    """Names of the input channels, if the layer reads the channels and pixels of the picture itself."""
    tracks = traced.tracks.get(bank.input_tensor)
    if tracks is None or picture is None or picture.layout is None or preprocessing is None:
        return ()
    names = preprocessing.channels
    which = next(index for index, value in enumerate(graph.inputs) if value.name == picture.name)
    expected = [(which, picture.layout.index(letter)) for letter in "CHW"]
    if (
        len(names) != bank.in_channels
        or len(tracks.axes) != 4
        or (tracks.spread | tracks.unknown) & set(expected)
    ):
        return ()
    return names if all(map(_is_copy, map(track_of, tracks.axes[1:]), expected, (True, False, False))) else ()


def _is_copy(track: Track | None, source: tuple[int, int], in_place: bool) -> bool:
    """Whether an axis is an input's axis one to one; unless `in_place`, it may be padded or flipped."""
    if track is None or track.source != source:
        return False
    reach = track.reach
    return reach == Reach() or (not in_place and reach.field == 1 and abs(reach.jump) == 1)
