"""The filters of layers as they are drawn: their own weights, expanded ones, or factors of either."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from filterkit.operations.expand import expand_each
from filterkit.sheets import factors

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.records import FloatArray
    from filterkit.session import Session
    from filterkit.sheets.picked import Read
    from filterkit.sheets.tiles import Channels, DrawnChannels

Most = Callable[["Match"], int]

EXPANDED = "weights from the input up to the filter multiplied out, activations and max pooling made linear"


@dataclass(frozen=True, slots=True)
class DrawnBanks:
    """What a sheet shows.

    Attributes
    ----------
    matches
        As they were, with the kernels and the kernel shape of what is drawn.
    read
        Reads what some matches of one layer select; see `filterkit.sheets.picked`.
    channels
        How it is arranged.
    normalizer
        The default for these values, if it is another than for weights.
    notes
        What the user must know to read the picture.
    """

    matches: Sequence[Match]
    read: Read
    channels: DrawnChannels
    normalizer: str | None
    notes: tuple[str, ...]


def drawn_banks(
    session: Session,
    matches: Sequence[Match],
    channels: Channels | None,
    *,
    default: DrawnChannels,
    expand: bool = False,
    colormap: str | None = None,
    most: Most | None = None,
) -> DrawnBanks:
    """Prepare what `matches` select.

    Parameters
    ----------
    most
        How many filters of a layer are drawn: `read` returns no others, where they are expanded.
    channels
        None is `default`; expanded weights of a picture in colour are ``rgb`` then, if there is no colormap.
    """
    from filterkit.catalog.weights import bank

    def own(some: Sequence[Match]) -> tuple[Sequence[int], FloatArray]:
        return range(some[0].layer["filters"]), bank(session.catalog(), some[0])

    read: Read = own
    normalizer: str | None = None
    notes: tuple[str, ...] = ()
    if expand:
        each_separately = channels not in ("factors", "strongest")
        matches, read = _expanded(session, matches, most if each_separately else None)
        normalizer, notes = "symmetric:per=filter", (EXPANDED,)
        in_colour = all(sorted(match.layer["input_channels"]) == ["B", "G", "R"] for match in matches)
        default = "rgb" if in_colour and not colormap else default
    channels = channels or default
    if channels == "factors":
        matches, read = _factored(matches, read)
        return DrawnBanks(matches, read, "rgb", "minmax:per=filter", (*notes, factors.NOTE))
    return DrawnBanks(matches, read, channels, normalizer, notes)


def _expanded(session: Session, matches: Sequence[Match], most: Most | None) -> tuple[list[Match], Read]:
    banks: dict[Any, tuple[Sequence[int], FloatArray]] = {}
    drawn: dict[Any, Mapping[str, Any]] = {}
    groups = []
    for key, some in _by_kernels(matches).items():
        numbers = _numbers(some)
        groups.append((key, replace(some[0], filters=numbers[: most(some[0]) if most else None])))
    for (key, match), found in zip(groups, expand_each(session, [match for _, match in groups]), strict=True):
        weights = found.for_display()
        banks[key] = match.filters, weights
        drawn[key] = {
            "id": key,
            "input_channels": found.channels,
            "kernel_shape": weights.shape[2:],
            "kernels": weights.shape[1] * match.layer["filters"],
            "drawn": "expanded",
        }
    derived = [_derived(match, drawn[_key(match)]) for match in matches]
    return derived, lambda some: banks[some[0].layer["id"]]


def _factored(matches: Iterable[Match], read: Read) -> tuple[list[Match], Read]:
    groups = _by_kernels(matches)

    def read_factors(some: Sequence[Match]) -> tuple[Sequence[int], FloatArray]:
        import numpy as np

        originals = groups[some[0].layer["id"]]
        wanted = _numbers(some)
        numbers, weights = read(originals)
        place = {number: row for row, number in enumerate(numbers)}
        rows = [place[number] for number in wanted]
        return wanted, factors.factored(weights[np.ix_(rows, list(originals[0].kernels))])

    derived = [
        _derived(
            match,
            {
                "id": _key(match),
                "input_channels": factors.NAMES,
                "kernels": factors.COUNT * match.layer["filters"],
                "drawn": "factors",
            },
        )
        for match in matches
    ]
    return derived, read_factors


def _derived(match: Match, drawn: Mapping[str, Any]) -> Match:
    layer = {**match.layer, **drawn}
    return replace(match, layer=layer, kernels=range(layer["kernels"] // layer["filters"]))


def _key(match: Match) -> tuple[Any, tuple[int, ...]]:
    return match.layer["id"], tuple(match.kernels)


def _by_kernels(matches: Iterable[Match]) -> dict[Any, list[Match]]:
    groups: dict[Any, list[Match]] = {}
    for match in matches:
        groups.setdefault(_key(match), []).append(match)
    return groups


def _numbers(matches: Collection[Match]) -> list[int]:
    return sorted({number for match in matches for number in match.filters})
