"""Find which filters of the layers before excite and inhibit a filter most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ModelError, UsageError, check_number
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

COLUMNS: Mapping[str, type] = {
    "address": str,
    "from_address": str,
    "weight_norm": float,
    "sign": int,
    "share": float,
}
"""Columns of rows, and the types of their values."""

FOLLOWED = (
    "connections are followed through pools, activations, norms, additions, concatenations and changes of "
    "layout"
)


def connections(session: Session, address: str | Iterable[str], *, top: int | None) -> Connections:
    """See `Workbench.connections`."""
    from filterkit.catalog.weights import bank, model_file
    from filterkit.graph.layers.channel_origins import channel_origins
    from filterkit.graph.layers.channel_rules import Untraced
    from filterkit.graph.loading.load import open_graph

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
    graphs: dict[str, tuple[GraphView, dict[tuple[str, str], Traced]]] = {}
    with session.progress() as progress:
        for place, match in enumerate(matches):
            progress("following connections", place, len(matches))
            name = match.model["name"]
            if name not in graphs:
                check_network(match)
                graph = open_graph(model_file(session.catalog(), match.model))
                graphs[name] = graph, _made(session, graph, match.model)
            graph, made = graphs[name]
            try:
                traced = channel_origins(
                    _view(graph, match.layer["scope"]), match.layer["input_tensor"], made
                )
                _check(match, traced.channels)
            except Untraced as error:
                left_out[match.address] = str(error)
                continue
            rows += _rows(match, bank(session.catalog(), match), traced.channels, top)
    if not rows:
        raise _nothing(session.matches(matches[0].model["name"]), left_out)
    return Connections(rows, COLUMNS, left_out)


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
    """The strongest connections of each filter."""
    import numpy as np

    row = match.layer
    per_group, filters_per_group = weights.shape[1], row["filters"] // row["groups"]
    groups: dict[int, _Group] = {}
    for number in match.filters:
        which = number // filters_per_group
        if which not in groups:
            groups = {which: _group(channels[which * per_group : (which + 1) * per_group])}
        group = groups[which]
        kernels = weights[number].reshape(per_group, -1).astype(np.float64)
        total = np.zeros((len(group.names), kernels.shape[1]))
        # A filter may reach several channels, e.g. through a concatenation: their kernels are added up.
        np.add.at(total, group.numbers, group.signs[:, None] * kernels[group.channels])
        norms = np.linalg.norm(total, axis=1)
        energy = float(np.square(norms).sum()) or 1.0
        order = [place for place in np.argsort(-norms, kind="stable").tolist() if group.names[place][0]]
        for place in order[:top]:
            layer, source = group.names[place]
            yield {
                "address": f"{match.address}/{number}",
                "from_address": f"{layer}/{source}",
                "weight_norm": float(norms[place]),
                "sign": int(np.sign(total[place].sum())),
                "share": float(norms[place] ** 2 / energy),
            }


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


def _group(channels: Sequence[Origins]) -> _Group:
    import numpy as np

    ways = [(place, origin) for place, origins in enumerate(channels) for origin in origins]
    places: dict[tuple[str, int], int] = {}
    numbers = [places.setdefault((origin.layer, origin.filter), len(places)) for _, origin in ways]
    return _Group(
        list(places),
        np.array([place for place, _ in ways], np.intp),
        np.array(numbers, np.intp),
        np.array([origin.sign for _, origin in ways], np.intp),
    )


def _nothing(every: Sequence[Match], left_out: Mapping[str, str]) -> UsageError | ModelError:
    """The error for an address without connections; `every` has all layers of its model."""
    address, reason = next(iter(left_out.items()))
    if "first layer" in reason:
        later = [match.address for match in every if match.address not in left_out][:1]
        hint = f"choose a later layer, e.g. {later[0]}" if later else "the model has no other layers"
        return UsageError(f"{address} has no connections: {reason}", hint=hint)
    return ModelError(f"{address} has no connections: {reason}", hint=FOLLOWED)
