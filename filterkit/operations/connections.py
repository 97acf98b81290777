"""Find which filters of the layers before excite and inhibit a filter most, and which it does itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from filterkit.errors import ModelError, UsageError, check_number, closest
from filterkit.operations.maps import check_network
from filterkit.operations.show import pick
from filterkit.results.connections import Connections

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.graph.layers.channel_rules import Origins, Traced
    from filterkit.graph.view.view import GraphView
    from filterkit.records import FloatArray
    from filterkit.session import Session

Direction = Literal["from", "to"]

COLUMNS: Mapping[str, Mapping[str, type]] = {
    direction: {
        "address": str,
        f"{direction}_address": str,
        "weight_norm": float,
        "sign": int,
        "share": float,
    }
    for direction in get_args(Direction)
}
"""Columns of rows by direction, and the types of their values."""

BLOCK = 1 << 21
"""Weights of layers after a filter that are looked at together, 16 MB in float64."""

FOLLOWED = (
    "connections are followed through pools, activations, norms, additions, concatenations and changes of "
    "layout"
)


NOT_READ = "no layer reads its output"


def connections(
    session: Session, address: str | Iterable[str], *, top: int | None, direction: Direction
) -> Connections:
    """See `Workbench.connections`."""
    from filterkit.catalog.weights import bank

    if direction not in get_args(Direction):
        raise UsageError(
            f"direction cannot be '{direction}'", hint=closest(str(direction), get_args(Direction))
        )
    if top is not None:
        check_number("top", top, whole=True)
        if top < 1:
            raise UsageError(f"top must be at least 1, not {top}", hint="the default is 20")
    matches = session.matches(address) if isinstance(address, str) else pick(session.catalog(), address)
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "connections are those of whole filters, not of single kernels",
            hint=f"leave the kernel out, e.g. {matches[0].address}/{matches[0].filters[0]}",
        )
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    models: dict[str, _Model] = {}
    with session.progress() as progress:
        for place, match in enumerate(matches):
            progress("following connections", place, len(matches))
            name = match.model["name"]
            if name not in models:
                models[name] = _Model(session, match)
            model = models[name]
            try:
                if direction == "from":
                    rows += _rows(match, bank(session.catalog(), match), model.channels(match), top)
                else:
                    rows += _rows_to(session, model, match, top, left_out)
            except _untraced() as error:
                left_out[match.address] = str(error)
    if not rows:
        raise _nothing(session.matches(matches[0].model["name"]), left_out, matches[0].address, direction)
    return Connections(rows, COLUMNS[direction], left_out)


def _untraced() -> type[Exception]:
    from filterkit.graph.layers.channel_rules import Untraced

    return Untraced


class _Model:
    """A model whose channels are followed."""

    def __init__(self, session: Session, match: Match) -> None:
        from filterkit.catalog.weights import model_file
        from filterkit.graph.loading.load import open_graph

        check_network(match)
        self._graph = open_graph(model_file(session.catalog(), match.model))
        self._made = _made(session, self._graph, match.model)
        self.layers = session.matches(match.model["name"])

    def channels(self, match: Match) -> Sequence[Origins]:
        """The filters that made each channel that a layer reads; raises Untraced."""
        from filterkit.graph.layers.channel_origins import channel_origins

        view = _view(self._graph, match.layer["scope"])
        traced = channel_origins(view, match.layer["input_tensor"], self._made)
        _check(match, traced.channels)
        return traced.channels


def _made(session: Session, graph: GraphView, model: Mapping[str, Any]) -> dict[tuple[str, str], Traced]:
    """The outputs of the layers of a model, before and after their activation, and its inputs."""
    from filterkit.catalog.weights import batchnorm
    from filterkit.graph.layers.channel_origins import channel_origins
    from filterkit.graph.layers.channel_rules import COMBINING, Traced, Untraced

    made: dict[tuple[str, str], Traced] = {}
    for value in graph.inputs:
        shape = value.shape or ()
        is_picture = value.name == model["input_name"] and model["input_layout"]
        layout = model["input_layout"] if is_picture else f"NC{'DHW'[5 - len(shape) :]}"
        count = shape[layout.index("C")] if len(shape) == len(layout) else None
        if isinstance(count, int):
            made["", value.name] = Traced.of_layer("", layout, [1] * count)
    layers = session.matches(model["name"])
    for match in layers:
        row = match.layer
        ones = [1] * row["filters"]
        made[row["scope"], row["pre_tensor"]] = Traced.of_layer(match.address, row["pre_layout"], ones)
    for match in layers:
        row = match.layer
        key = row["scope"], row["post_tensor"]
        if key in made or row["activation"] in COMBINING:
            continue
        try:  # scales between both may be negative
            made[key] = channel_origins(_view(graph, row["scope"]), row["post_tensor"], made)
        except Untraced:  # an activation that consists of other nodes
            norm = batchnorm(session.catalog(), row) if row["batchnorm"] == "apart" else None
            signs = [1] * row["filters"] if norm is None else _signs(norm.scale)
            made[key] = Traced.of_layer(match.address, row["post_layout"], signs)
    return made


def _signs(values: FloatArray) -> list[int]:
    import numpy as np

    return [int(sign) for sign in np.sign(np.nan_to_num(values, nan=1.0))]


def _view(graph: GraphView, scope: str) -> GraphView:
    """The view of a body."""
    from filterkit.graph.layers.channel_rules import Untraced

    view = graph
    while view.scope != scope:
        inner = [body for body in view.bodies() if f"{scope}/".startswith(f"{body.scope}/")]
        if not inner:
            raise Untraced(f"the graph has no body '{scope}'")
        view = max(inner, key=lambda body: len(body.scope))
    return view


def _check(match: Match, channels: Sequence[Origins]) -> None:
    """Raise Untraced for a layer that has no layers before it, or another number of channels."""
    from filterkit.graph.layers.channel_rules import Untraced

    if len(channels) != match.layer["in_channels"]:
        raise Untraced(
            f"{len(channels)} channels were followed, but the layer reads {match.layer['in_channels']}"
        )
    if not any(origin.layer for origins in channels for origin in origins):
        raise Untraced("it is a first layer, which reads the input of the network")


def _rows(
    match: Match, weights: FloatArray, channels: Sequence[Origins], top: int | None
) -> Iterator[dict[str, Any]]:
    """The strongest connections of each filter with filters of layers before."""
    import numpy as np

    groups: dict[int, _Group] = {}
    for number in match.filters:
        which = number // _per_group(match)
        if which not in groups:
            groups = {which: _group(match, channels, which)}
        group = groups[which]
        norms, signs, shares = (each[0] for each in _strengths(group, weights[number : number + 1]))
        order = [place for place in np.argsort(-norms, kind="stable").tolist() if group.names[place][0]]
        for place in order[:top]:
            layer, source = group.names[place]
            yield {
                "address": f"{match.address}/{number}",
                "from_address": f"{layer}/{source}",
                "weight_norm": float(norms[place]),
                "sign": int(signs[place]),
                "share": float(shares[place]),
            }


def _rows_to(
    session: Session, model: _Model, match: Match, top: int | None, left_out: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """The strongest connections of each filter with filters of layers after it, those of `_rows` reversed.

    Layers whose input cannot be followed back are added to `left_out`.
    """
    from filterkit.catalog.weights import bank

    asked = frozenset(match.filters)
    best: dict[int, list[tuple[float, str, int, float]]] = {number: [] for number in match.filters}
    is_read = False
    for reader in model.layers:
        try:
            channels = model.channels(reader)
        except _untraced() as error:
            if "first layer" not in str(error) and reader.address != match.address:
                left_out[reader.address] = str(error)
            continue
        if not any(origin.layer == match.address for origins in channels for origin in origins):
            continue
        is_read = True
        weights = bank(session.catalog(), reader)
        for which in range(reader.layer["groups"]):
            group = _group(reader, channels, which)
            places = {
                place: number
                for place, (layer, number) in enumerate(group.names)
                if layer == match.address and number in asked
            }
            if not places:
                continue
            start, end = which * _per_group(reader), (which + 1) * _per_group(reader)
            step = max(1, BLOCK // max(1, weights[0].size))
            for first in range(start, end, step):
                norms, signs, shares = _strengths(group, weights[first : min(first + step, end)])
                for place, number in places.items():
                    strongest = (-norms[:, place]).argsort(kind="stable")[:top].tolist()
                    best[number] += [
                        (
                            float(norms[row, place]),
                            f"{reader.address}/{first + row}",
                            int(signs[row, place]),
                            float(shares[row, place]),
                        )
                        for row in strongest
                    ]
                    best[number].sort(key=lambda found: -found[0])
                    del best[number][len(best[number]) if top is None else top :]
    if not is_read:
        left_out[match.address] = NOT_READ
    for number, found in best.items():
        for norm, target, sign, share in found:
            yield {
                "address": f"{match.address}/{number}",
                "to_address": target,
                "weight_norm": norm,
                "sign": sign,
                "share": share,
            }


def _strengths(
    group: _Group, weights: FloatArray
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """The strength of the connections of some filters of a group with each of `names`.

    A filter may reach several channels, e.g. through a concatenation: their kernels are added up.

    Parameters
    ----------
    weights
        Shape (n, kernels, ...).

    Returns
    -------
    tuple of ndarray
        Norms, signs of the sums, and shares of the squared norm of all; shape (n, names) each.
    """
    import numpy as np

    kernels = weights.reshape(*weights.shape[:2], -1).astype(np.float64)
    order = np.argsort(group.numbers, kind="stable")
    starts = np.searchsorted(group.numbers[order], np.arange(len(group.names)))
    signed = group.signs[order, None] * kernels[:, group.channels[order]]
    total = np.add.reduceat(signed, starts, axis=1)
    norms = np.linalg.norm(total, axis=2)
    energy = np.square(norms).sum(axis=1, keepdims=True)
    energy[energy == 0] = 1.0
    return norms, np.sign(total.sum(axis=2)).astype(np.intp), np.square(norms) / energy


def _per_group(match: Match) -> int:
    """The number of filters in each group of a layer."""
    return int(match.layer["filters"] // match.layer["groups"])


class _Group(NamedTuple):
    """The channels that a group of filters reads: what made them.

    Attributes
    ----------
    names
        The layers and filters that made them, each once.
    channels, numbers, signs
        For each way from a filter to a channel: the channel, the place in `names`, and the sign.
    """

    names: Sequence[tuple[str, int]]
    channels: NDArray[np.intp]
    numbers: NDArray[np.intp]
    signs: NDArray[np.intp]


def _group(match: Match, channels: Sequence[Origins], which: int) -> _Group:
    """What the filters of a group of a layer read."""
    import numpy as np

    per_group = len(channels) // match.layer["groups"]
    channels = channels[which * per_group : (which + 1) * per_group]
    ways = [(place, origin) for place, origins in enumerate(channels) for origin in origins]
    places: dict[tuple[str, int], int] = {}
    numbers = [places.setdefault((origin.layer, origin.filter), len(places)) for _, origin in ways]
    return _Group(
        list(places),
        np.array([place for place, _ in ways], np.intp),
        np.array(numbers, np.intp),
        np.array([origin.sign for _, origin in ways], np.intp),
    )


def _nothing(
    every: Sequence[Match], left_out: Mapping[str, str], asked: str, direction: Direction
) -> UsageError | ModelError:
    """The error for an address without connections; `every` has all layers of its model."""
    if direction == "to" and left_out.get(asked) == NOT_READ:
        others = {address: reason for address, reason in left_out.items() if address != asked}
        if others:
            address, reason = next(iter(others.items()))
            return ModelError(
                f"{asked} has no connections: {address} cannot be followed: {reason}", hint=FOLLOWED
            )
        return UsageError(f"{asked} has no connections: {NOT_READ}", hint="choose an earlier layer")
    address, reason = next(iter(left_out.items()))
    if "first layer" in reason:
        later = [match.address for match in every if match.address not in left_out][:1]
        hint = f"choose a later layer, e.g. {later[0]}" if later else "the model has no other layers"
        return UsageError(f"{address} has no connections: {reason}", hint=hint)
    return ModelError(f"{address} has no connections: {reason}", hint=FOLLOWED)
