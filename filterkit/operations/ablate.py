"""Measure what changes at a target of the network without each filter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError, UsageError, check_number
from filterkit.operations.ablated_network import AblatedNetwork, Example, Measured
from filterkit.operations.attribute import parse_position
from filterkit.operations.corrections import hint_argument_order
from filterkit.operations.maps import check_network
from filterkit.operations.requested_pictures import (
    found_pictures,
    listed_pictures,
    parse_size,
    picture_preprocessing,
)
from filterkit.operations.show import pick
from filterkit.operations.targets import Aim, find_target, with_axes
from filterkit.results.ablate import AblatedLayer, Ablations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.records import FloatArray, RunOptions
    from filterkit.runtime.ablation import Ablation
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

Examples = Callable[["Callable[[ImageError], None] | None"], Iterator[Example]]
"""Yields the examples, and calls its argument with the errors about those that cannot be read."""

COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("address", "target"), str),
    **dict.fromkeys(("before", "after", "change"), float),
    **dict.fromkeys(("rank", "images"), int),
}
"""Columns of rows, and the types of their values."""

SAMPLE = 32
"""Number of filters for which estimates are compared with exact changes."""


@dataclass(frozen=True, slots=True)
class AblateOptions:
    """What `Workbench.ablate` takes besides address, pictures and `RunOptions`."""

    target: str | None = None
    top: int | None = 20
    estimate: bool = False
    position: str | Sequence[int] = "max"
    after_softmax: bool = False
    rules: Sequence[str] = ()


class _Layer(NamedTuple):
    """A layer, which of its filters are ablated, and of which of these estimates are compared."""

    match: Match
    filters: Sequence[int]
    sample: Sequence[int]


@dataclass(slots=True)
class _Total:
    """The sums over the examples for a layer, and what the first example gave."""

    first: Measured
    image: str
    before: float = 0.0
    after: Any = 0.0
    examples: int = 0
    targets: dict[str, None] = field(default_factory=dict)
    exact: Measured | None = None

    def add(self, found: Measured) -> None:
        self.before, self.after = self.before + found.before, self.after + found.after
        self.examples += 1
        self.targets[found.target] = None


def ablate(
    session: Session,
    address: str | Iterable[str],
    images: Picture | Iterable[Picture],
    *,
    inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None,
    asked: AblateOptions,
    options: RunOptions,
    unreadable: Callable[[ImageError], None] | None,
) -> Ablations:
    """See `Workbench.ablate`."""
    _check(asked, options)
    position = parse_position(asked.position)
    pictures = listed_pictures(images)
    layers = _layers(session, address, pictures)
    model = layers[0].match.model
    target = asked.target if asked.target is not None else f"{model['name']}@"
    aim = find_target(session, target, (), at="post", after_softmax=asked.after_softmax)
    if aim.model["name"] != model["name"]:
        raise UsageError(
            f"the filters are in {model['name']}, but the target is in {aim.model['name']}",
            hint=f"a target in this model is e.g. {model['name']}@0",
        )
    network = AblatedNetwork(session, aim, position, asked.rules, options)
    examples, count = _examples(network, pictures, inputs, estimate=asked.estimate)
    if aim.is_guess and (first := next(examples(unreadable and _ignore), None)):
        aim = with_axes(aim, network.network, first.inputs)
        network = replace(network, aim=aim)
        examples, count = _examples(network, pictures, inputs, estimate=asked.estimate)
    totals, left_out = _measure(
        *(session, network, layers, examples, count), unreadable=unreadable, estimate=asked.estimate
    )
    if len(left_out) == len(layers):
        some = ", ".join(left_out[:2]) + (", …" if len(left_out) > 2 else "")
        raise UsageError(
            f"the target {aim.name} does not depend on {some}",
            hint=f"choose a target that is computed from them, e.g. {model['name']}@, the first output",
        )
    notes = [*aim.notes, *_reasons(aim, totals)]
    if left_out:
        notes.append(f"left out, as the target does not depend on them: {', '.join(left_out)}")
    rows = _rows(layers, totals, aim.name)[: asked.top]
    shown = {row["address"].rpartition("/")[0] for row in rows}
    return Ablations(
        rows,
        COLUMNS,
        target=rows[0]["target"] if rows else aim.name,
        filters=sum(len(layer.filters) for layer in layers if layer.match.address in totals),
        images=max((total.examples for total in totals.values()), default=0),
        first_image=next((total.image for total in totals.values()), ""),
        provider=network.network.provider,
        layers={
            layer.match.address: _drawn(session, layer.match, totals[layer.match.address])
            for layer in layers
            if layer.match.address in shown
        },
        models={model["name"]: model["sha256"]},
        estimated=asked.estimate,
        rank_correlation=_agreement(layers, totals) if asked.estimate else None,
        sample=sum(len(layer.sample) for layer in layers if layer.match.address in totals and asked.estimate),
        notes=tuple(notes),
    )


def _check(asked: AblateOptions, options: RunOptions) -> None:
    if options.at not in ("post", "pre"):
        hint = "use pre (before the activation) or post (after it)"
        raise UsageError(f"at cannot be '{options.at}'", hint=hint)
    parse_size(options.size)
    if asked.top is not None:
        check_number("top", asked.top, whole=True)
        if asked.top < 1:
            raise UsageError(f"top must be at least 1, not {asked.top}", hint="the default is 20")
    if asked.rules and not asked.estimate:
        raise UsageError("gradient rules have no effect without an estimate", hint="add --estimate")


def _layers(session: Session, address: str | Iterable[str], images: Sequence[Any]) -> list[_Layer]:
    """The layers and filters that an address or several of them name, each once, in their order."""
    import numpy as np

    if isinstance(address, str):
        with hint_argument_order("ablate", address, images, session.matches):
            matches = session.matches(address)
    else:
        matches = pick(session.catalog(), address)
    models = list(dict.fromkeys(match.model["name"] for match in matches))
    if len(models) > 1:
        raise UsageError(f"these filters are in several models: {', '.join(models[:3])}", hint="choose one")
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "whole filters are ablated, not single kernels",
            hint=f"leave the kernel out, e.g. {matches[0].address}/{matches[0].filters[0]}",
        )
    check_network(matches[0])
    chosen: dict[str, tuple[Match, dict[int, None]]] = {}
    for match in matches:
        chosen.setdefault(match.address, (match, {}))[1].update(dict.fromkeys(match.filters))
    every = sum(len(filters) for _, filters in chosen.values())
    sample = set(np.random.default_rng(0).permutation(every)[:SAMPLE].tolist())
    layers, start = [], 0
    for match, filters in chosen.values():
        numbers = list(filters)
        picked = [number for place, number in enumerate(numbers) if start + place in sample]
        layers.append(_Layer(match, numbers, picked))
        start += len(numbers)
    return layers


def _examples(
    network: AblatedNetwork,
    images: Sequence[Picture],
    inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None,
    *,
    estimate: bool,
) -> tuple[Examples, int]:
    """What yields the examples, any number of times, and about how many there are."""
    pictures = list(found_pictures(network.session.registry, images))
    if bool(pictures) == (inputs is not None):
        raise UsageError(
            "give either pictures or the inputs of the graph" + (", not both" if pictures else ""),
            hint="filterkit ablate ADDRESS IMAGE..., or --input FILE.npz",
        )
    if inputs is None:
        picture_preprocessing(network.aim.model)  # refuses a network that takes no pictures
        return partial(network.examples, pictures), len(pictures)
    if estimate:
        raise UsageError("estimates take pictures, not the inputs of a graph", hint="leave out --estimate")
    from filterkit.runtime.raw_inputs import read_inputs

    arrays = inputs if isinstance(inputs, Mapping) else read_inputs(Path(inputs))
    return lambda _: network.examples_of(arrays), 1


def _measure(
    session: Session,
    network: AblatedNetwork,
    layers: Sequence[_Layer],
    examples: Examples,
    count: int,
    *,
    unreadable: Callable[[ImageError], None] | None,
    estimate: bool,
) -> tuple[dict[str, _Total], list[str]]:
    """The totals of each layer, and the layers on which the target does not depend.

    For exact changes the pictures are read again for each layer, as those of all would not fit into memory.
    """
    totals: dict[str, _Total] = {}
    every = sum(len(layer.filters) for layer in layers) * count
    done = 0
    with session.progress() as progress:

        def advance(filters: int) -> None:
            nonlocal done
            done += filters
            progress("ablating filters", done, every)

        def ablations() -> Iterator[tuple[_Layer, Ablation | None]]:
            """One after the other, as each has sessions of its own."""
            for layer in layers:
                ablation = network.ablation(layer.match)
                if ablation is None:
                    left_out.append(layer.match.address)
                yield layer, ablation

        left_out: list[str] = []
        if estimate:
            _estimate(network, ablations, examples(unreadable), totals, advance)
            return totals, left_out
        for (match, filters, _), ablation in ablations():
            if ablation is None:
                continue
            for example in examples(unreadable if not totals else unreadable and _ignore):
                found = network.exact(match, ablation, example, filters, advance)
                totals.setdefault(match.address, _Total(found, example.name)).add(found)
            if not totals:
                break  # no picture can be read, whatever the layer
    return totals, left_out


def _estimate(
    network: AblatedNetwork,
    ablations: Callable[[], Iterator[tuple[_Layer, Ablation | None]]],
    examples: Iterator[Example],
    totals: dict[str, _Total],
    advance: Callable[[int], None],
) -> None:
    """Add the estimates of all layers to `totals`, and exact changes for the sample and the first example."""
    layers: list[_Layer] | None = None
    for example in examples:
        exact: dict[str, Measured] = {}
        if layers is None:
            layers = []
            for layer, ablation in ablations():
                if ablation is not None:
                    layers.append(layer)
                    if layer.sample:
                        exact[layer.match.address] = network.exact(
                            layer.match, ablation, example, layer.sample
                        )
        if not layers:
            return
        measured = network.estimates([(layer.match, layer.filters) for layer in layers], example)
        for layer, found in zip(layers, measured, strict=True):
            address = layer.match.address
            total = totals.setdefault(address, _Total(found, example.name, exact=exact.get(address)))
            total.add(found)
            advance(len(layer.filters))


def _reasons(aim: Aim, totals: Mapping[str, _Total]) -> Iterator[str]:
    """Why all changes are 0, if they are."""
    if not totals or any((total.after != total.before).any() for total in totals.values()):
        return
    if aim.is_after_activation and all(total.before == 0 for total in totals.values()):
        yield f"nothing changes: {aim.name} does not respond; choose another target or picture"
    else:
        yield (
            "nothing changes: these filters do not respond where the target sees them; `filterkit maps "
            "ADDRESS IMAGE` shows their responses"
        )


def _ignore(_: ImageError) -> None:
    """Of pictures that cannot be read, users were told with the first layer."""


def _rows(layers: Sequence[_Layer], totals: Mapping[str, _Total], target: str) -> list[dict[str, Any]]:
    """The means over the examples, the largest changes first."""
    rows = []
    for match, filters, _ in layers:
        total = totals.get(match.address)
        if total is None:
            continue
        named = next(iter(total.targets)) if len(total.targets) == 1 else target
        before = total.before / total.examples
        for number, after in zip(filters, (total.after / total.examples).tolist(), strict=True):
            address = f"{match.address}/{number}"
            row = {"address": address, "target": named, "before": before, "after": after}
            rows.append({**row, "change": after - before, "rank": 0, "images": total.examples})
    rows.sort(key=lambda row: -abs(row["change"]))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, 1)]


def _drawn(session: Session, match: Match, total: _Total) -> AblatedLayer:
    from filterkit.catalog.weights import bank

    return AblatedLayer(
        bank(session.catalog(), match), tuple(match.layer["input_channels"]), total.first.maps
    )


def _agreement(layers: Sequence[_Layer], totals: Mapping[str, _Total]) -> float | None:
    """Spearman's rank correlation of estimated and exact changes, for the sample and the first example."""
    estimated: list[float] = []
    exact: list[float] = []
    for match, filters, sample in layers:
        total = totals.get(match.address)
        if total is None or total.exact is None:
            continue
        change = dict(zip(filters, (total.first.after - total.first.before).tolist(), strict=True))
        estimated += [change[number] for number in sample]
        exact += (total.exact.after - total.exact.before).tolist()
    return rank_correlation(estimated, exact)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None if all values of one side are equal, or there are less than two.

    Equal values have the mean of their ranks.
    """
    import numpy as np

    def ranks(values: Sequence[float]) -> FloatArray:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranked = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
        found: FloatArray = ranked - ranked.mean()
        return found

    if len(one) < 2:
        return None
    first, second = ranks(one), ranks(other)
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else None
