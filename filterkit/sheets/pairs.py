"""Arrange the filters that differ most as a sheet of pairs, side by side."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError
from filterkit.records import TileSheet
from filterkit.sheets.provenance import listed, listed_models
from filterkit.sheets.tiles import as_pictures, in_rows, with_channel

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray
    from filterkit.results.diff import Differences, LayerPair

MOST = 24
"""Limit on the pairs on one sheet."""

PER_ROW = 3
"""Pairs per row of the sheet."""


@dataclass(frozen=True, slots=True, order=True)
class FilterPair:
    """A filter of a pair of layers, and its similarity to its partner; the least similar sort first."""

    similarity: float
    place: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The kernel that is drawn for one filter of a pair.

    Attributes
    ----------
    drawn, weights
        The kernel as a picture, shape (height, width): of the filter scaled to norm 1, and as in the catalog.
    label
        The address without the model, with the name of the input channel if the layer reads a picture.
    """

    address: str
    drawn: FloatArray
    weights: FloatArray
    label: str

    @property
    def model(self) -> str:
        """The model in the address."""
        return self.address.partition("/")[0]


def pairs_to_sheet(differences: Differences, normalizer: Normalizer) -> TileSheet:
    """The least similar pairs of filters of the rows, one per row, worst first unless the rows are sorted.

    Both filters of a pair are scaled to norm 1, and the kernel that then differs most is drawn, both on the
    same scale; of filters that were compared by their responses, the kernel of largest norm of each. Smaller
    kernels are padded with zeros, and with NaN in `values`, which are the weights as they are in the catalog.

    Raises
    ------
    UsageError
        There are no rows, or none of layers that were compared, or no pair of filters is finite.
    """
    ranked = list(_drawable(differences))
    if all(differences.pairs[place].similarities is None for place, _ in differences.places):
        what = "these layers were not compared" if differences else "no rows were selected"
        raise UsageError(f"there is nothing to draw: {what}", hint="select other rows")
    by_response = any(pair.correlation is not None for pair in differences.pairs)
    if not ranked:
        raise UsageError(
            f"there is nothing to draw: no pair of filters {'varies' if by_response else 'is finite'}",
            hint="leave out -o to see which layers were compared",
        )
    first, *others = _names(differences)
    sides: list[Side] = []
    labels: list[str] = []
    for each in ranked[:MOST] if differences.is_sorted else heapq.nsmallest(MOST, ranked):
        left, right = _sides(differences.pairs[each.place], each.number)
        labels.append(left.label)
        if left.label == right.label:
            labels.append(f"{right.model}  {each.similarity:.4f}")
        else:
            name = right.label if len(others) == 1 else f"{right.model}/{right.label}"
            labels.append(f"{name}  {each.similarity:.2f}")
        sides += left, right
    height, width = (max(side.drawn.shape[axis] for side in sides) for axis in (0, 1))
    drawn = np.stack([_framed(side.drawn, height, width, around=0) for side in sides])
    weights = np.stack([_framed(side.weights, height, width, around=np.nan) for side in sides])
    normalized = normalizer.normalize(drawn.reshape(-1, 2, height, width))
    models = dict.fromkeys(name.partition("/")[0] for name in (first, *others))
    columns = min(2 * PER_ROW, len(sides))
    plural = "s" * (len(ranked) != 1)
    what = (
        f"layer{plural}, the least similar pair of each" if differences.level == "layer" else f"pair{plural}"
    )
    drawn_kernel, number = (
        ("the kernel of largest norm of each filter", "correlation of the responses")
        if by_response
        else ("the kernel that differs most after scaling both filters to the same norm", "cosine similarity")
    )
    return TileSheet(
        tiles=in_rows(normalized.values.reshape(drawn.shape), columns),
        count=len(sides),
        title=f"{first} (left) and {' or '.join(others)} (right), {_order(differences)}",
        note=f"{len(sides) // 2:,} of {len(ranked):,} {what}; {drawn_kernel}; the number is the {number}; "
        f"{normalized.summary.replace('per filter', 'per pair')}",
        tile_labels=tuple(labels),
        centre=normalized.centre,  # but no vmin or vmax: every filter was scaled by its own norm
        values=in_rows(weights, columns),
        addresses=tuple(side.address for side in sides),
        group=2,
        provenance={
            "address": listed((first, *others)),
            "model": listed_models({name: differences.models[name] for name in models}),
            "level": differences.level,
        },
    )


def _drawable(differences: Differences) -> Iterator[FilterPair]:
    """The pair of each row that has a similarity: for a layer the least similar one."""
    for place, number in differences.places:
        found = differences.pairs[place].similarities
        if found is None or np.isnan(found if number is None else found[number]).all():
            continue
        chosen = int(np.nanargmin(found)) if number is None else number
        yield FilterPair(float(found[chosen]), place, chosen)


def _sides(pair: LayerPair, number: int) -> tuple[Side, Side]:
    """Both filters of a pair, each as one kernel."""
    assert pair.a is not None and pair.weights_a is not None
    assert pair.b is not None and pair.weights_b is not None
    partner = pair.partner(number)
    weights_a, weights_b = pair.weights_a[number], pair.weights_b[partner]
    if pair.correlation is not None:  # the layers may have different input channels
        kernel, other = map(_strongest, (weights_a, weights_b))
        a, b = _unit(weights_a), _unit(weights_b)
        return (
            _side(pair.a, number, kernel, a[kernel], weights_a[kernel]),
            _side(pair.b, partner, other, b[other], weights_b[other]),
        )
    channels = np.arange(len(weights_a)) if pair.assignment is None else pair.assignment.channels
    a, b = _unit(weights_a), _unit(weights_b)[channels]
    kernel = int(np.square((b - a).reshape(len(a), -1)).sum(axis=1).argmax())
    other = int(channels[kernel])
    return (
        _side(pair.a, number, kernel, a[kernel], weights_a[kernel]),
        _side(pair.b, partner, other, b[kernel], weights_b[other]),
    )


def _side(match: Match, number: int, kernel: int, drawn: FloatArray, weights: FloatArray) -> Side:
    place = f"{number}/{kernel}"
    label = with_channel(f"{match.layer['name']}/{place}", match.layer["input_channels"], kernel)
    return Side(f"{match.address}/{place}", _picture(drawn), _picture(weights), label)


def _strongest(weights: FloatArray) -> int:
    """The kernel of largest norm of a filter."""
    wide = np.nan_to_num(weights.reshape(len(weights), -1).astype(np.float64), posinf=0, neginf=0)
    return int(np.square(wide).sum(axis=1).argmax())


def _unit(values: FloatArray) -> FloatArray:
    wide = values.astype(np.float64)
    length = np.linalg.norm(wide)
    unit: FloatArray = wide / length if length else wide
    return unit


def _picture(kernel: FloatArray) -> FloatArray:
    return as_pictures(kernel, 0).astype(np.float32)


def _framed(picture: FloatArray, height: int, width: int, around: float) -> FloatArray:
    """The picture centred in a larger one, padded with `around`."""
    down, across = height - picture.shape[0], width - picture.shape[1]
    sides = (down // 2, down - down // 2), (across // 2, across - across // 2)
    return np.pad(picture, sides, constant_values=around)


def _names(differences: Differences) -> list[str]:
    """What the pairs of the rows compare: two layers, or a model and those compared with it."""
    places = dict.fromkeys(place for place, _ in differences.places)
    pairs = [pair for pair in map(differences.pairs.__getitem__, places) if pair.similarities is not None]
    [first, *_] = pairs
    assert first.a is not None and first.b is not None
    if len(pairs) == 1:
        return [first.a.address, first.b.address]
    return [str(first.a.model["name"]), *dict.fromkeys(pair.model_b for pair in pairs)]


def _order(differences: Differences) -> str:
    """The order of the pairs, in words."""
    if not differences.is_sorted:
        return "least similar first"
    columns = (f"{name[1:]} (descending)" if name.startswith("-") else name for name in differences.sorted_by)
    return f"sorted by {', '.join(columns)}" if differences.sorted_by else "in the order of the rows"
