"""Where every layer looks in the model's input, how large its output is, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from filterkit import budget
from filterkit.geometry import LARGEST, LayerGeometry, Reach, product
from filterkit.graph.checkpoint import PRODUCER
from filterkit.graph.inputs import InputInfo, picture_of
from filterkit.graph.tracing import Trace, trace
from filterkit.graph.tracks import Track, Tracks
from filterkit.graph.view import GraphView, Shape, is_known
from filterkit.records import FilterBank, Preprocessing


def trace_geometry(
    graph: GraphView,
    banks: Sequence[FilterBank],
    preprocessing: Preprocessing | None = None,
    *,
    traced: Trace | None = None,
    picture: InputInfo | None = None,
) -> list[LayerGeometry]:
    """Geometry of every layer, through branches, transposes and whatever else lies in between.

    Parameters
    ----------
    graph
        The model.
    banks
        Its filter banks, in any order.
    preprocessing
        Gives the nominal size and the names of the picture's channels; without it the sizes that the file
        fixes count, and multiplications are not counted where it leaves them open.
    traced
        What `trace` says of the model for no sizes in particular, where that is known.
    picture
        What `picture_of` says of it, where that is known.

    Returns
    -------
    list of LayerGeometry
        One per bank. Where branches of different reach meet, the patch holds all of them. Lengths are whole
        numbers behind convolutions and poolings; upsampling gives fractional jumps.
    """
    traced = traced or trace(graph, {})
    picture = picture or picture_of(graph, banks, traced)
    fixed = {value.name for value in graph.inputs if value.shape is not None and is_known(value.shape[1:])}
    declared = traced.shapes if len(fixed) == len(graph.inputs) else {}
    sizes = _nominal(picture, preprocessing)
    if sizes:
        traced = trace(graph, sizes)
    countable = all(value.name in fixed or value.name in sizes for value in graph.inputs)
    network = graph.producer_name != PRODUCER  # else no layer reads another, and nobody knows what it sees

    def geometry(bank: FilterBank) -> LayerGeometry:
        budget.step("finding out what layer '{}' sees", bank.node)
        if bank.scope:  # what goes on inside a body is not traced
            return NOWHERE
        channels = _input_channels(graph, bank, traced, picture, preprocessing)
        if not network:
            return replace(NOWHERE, input_channels=channels)
        return LayerGeometry(
            *_reach(bank, traced),
            output_shape=_output_shape(bank, graph, declared, traced),
            macs=_macs(bank, traced, picture) if countable else None,
            input_channels=channels,
        )

    return [geometry(bank) for bank in banks]


def _nominal(picture: InputInfo | None, preprocessing: Preprocessing | None) -> dict[str, tuple[int, ...]]:
    """The picture's shape at its nominal size."""
    if picture is None or picture.layout is None or preprocessing is None or preprocessing.size is None:
        return {}
    height, width = preprocessing.size
    if picture.channels is None or min(height, width) < 1:
        return {}
    size = {"N": 1, "C": picture.channels, "H": height, "W": width}
    return {picture.name: tuple(size[letter] for letter in picture.layout)}


NOWHERE = LayerGeometry(None, None, None, output_shape=None, macs=None)

Lengths = tuple[float, ...] | None


def _reach(bank: FilterBank, traced: Trace) -> tuple[Lengths, Lengths, Lengths]:
    """Receptive field, jump and offset along the spatial axes; None where one of them is unbounded."""
    spatial = _spatial(bank, traced)
    reaches = [reach for reach in spatial if reach is not None]
    if len(reaches) < len(spatial):
        return None, None, None
    return (
        tuple(float(math.floor(reach.field)) for reach in reaches),
        tuple(float(reach.jump) for reach in reaches),
        tuple(float(math.floor(reach.offset)) for reach in reaches),
    )


def _spatial(bank: FilterBank, traced: Trace) -> list[Reach | None]:
    tracks = traced.tracks.get(bank.pre_tensor)
    return [_bounded(tracks, bank.pre_layout.index(letter)) for letter in _letters(bank)[2:]]


def _letters(bank: FilterBank) -> str:
    """The layer's axes in canonical order, e.g. ``"NCHW"``."""
    return "NC" + "".join(sorted(set(bank.pre_layout) - {"N", "C"}))


def _bounded(tracks: Tracks | None, axis: int) -> Reach | None:
    """Reach of an axis; None where it is unbounded, or follows a side input (a state, a mask) alone."""
    track = tracks.axes[axis] if tracks is not None and axis < len(tracks.axes) else None
    if track is None or tracks is None or track.source in tracks.spread:
        return None
    if track.source is not None and track.source[0] != min(tracks.sources())[0]:
        return None
    return track.reach


def _output_shape(
    bank: FilterBank, graph: GraphView, declared: Mapping[str, Shape], traced: Trace
) -> tuple[int | str, ...] | None:
    """N C H W; an open size is told by the jump, e.g. ``"H/2"``: one position for two pixels, edges aside.

    `declared` holds shapes at the sizes that the file fixes, if it does.
    """
    told = graph.shape(bank.pre_tensor)
    shape = declared.get(bank.pre_tensor, told)
    if shape is None or len(shape) != len(bank.pre_layout):
        return None
    batch = (told or shape)[bank.pre_layout.index("N")]
    open_ended = [
        _scaled(letter, reach)
        for letter, reach in zip(_letters(bank)[2:], _spatial(bank, traced), strict=True)
    ]
    sizes = [shape[bank.pre_layout.index(letter)] for letter in _letters(bank)[2:]]
    named = [size if isinstance(size, int) else name for size, name in zip(sizes, open_ended, strict=True)]
    return (batch if isinstance(batch, int) else "N", bank.out_channels, *named)


def _scaled(letter: str, reach: Reach | None) -> str:
    if reach is None:
        return "?"
    up, down = Fraction(reach.jump).denominator, Fraction(reach.jump).numerator
    return f"{up if up > 1 else ''}{letter}{f'/{down}' if down > 1 else ''}"


def _macs(bank: FilterBank, traced: Trace, picture: InputInfo | None) -> int | None:
    """Multiply-accumulates for one picture.

    A convolution uses every weight once per output position, a transposed one once per input position.
    """
    transposed = "ConvTranspose" in bank.op
    shape = traced.shapes.get(bank.input_tensor if transposed else bank.pre_tensor)
    layout = _letters(bank) if transposed else bank.pre_layout
    if shape is None or len(shape) != len(layout):
        return None
    positions = [size for letter, size in zip(layout, shape, strict=True) if letter != "C"]
    if not all(isinstance(size, int) and size >= 0 for size in positions):
        return None
    pictures = traced.shapes[picture.name][picture.layout.index("N")] if picture and picture.layout else 1
    uses = product([int(size or 0) for size in positions]) * bank.weights.size
    macs = uses // max(int(pictures or 1), 1)
    return macs if macs <= LARGEST else None  # which no database holds, and no machine reckons


def _input_channels(
    graph: GraphView,
    bank: FilterBank,
    traced: Trace,
    picture: InputInfo | None,
    preprocessing: Preprocessing | None,
) -> tuple[str, ...]:
    """Names of the channels, where channels and pixels of the layer's input are those of the picture."""
    tracks = traced.tracks.get(bank.input_tensor)
    if tracks is None or picture is None or picture.layout is None or preprocessing is None:
        return ()
    names = preprocessing.channels
    which = next(place for place, value in enumerate(graph.inputs) if value.name == picture.name)
    wanted = [(which, picture.layout.index(letter)) for letter in "CHW"]
    if len(names) != bank.in_channels or len(tracks.axes) != 4 or tracks.spread & set(wanted):
        return ()
    return names if all(map(_is_copy, tracks.axes[1:], wanted, (True, False, False))) else ()


def _is_copy(track: Track | None, source: tuple[int, int], in_place: bool) -> bool:
    """Whether an axis is an input's axis one to one; padding aside, unless it has to be `in_place`."""
    if track is None or track.source != source:
        return False
    reach = track.reach
    return reach.field == reach.jump == 1 and not (in_place and reach.offset)
