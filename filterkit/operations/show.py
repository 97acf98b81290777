"""Make sheets of filters and results, with the metrics that the catalog has for their tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from filterkit.address import parse_address
from filterkit.errors import NotFoundError
from filterkit.operations.tile_metrics import tile_metrics
from filterkit.results import Drawable, Sheet
from filterkit.sheets.banks import bank_sheet
from filterkit.sheets.picked import check_channels, check_count, picked_sheet

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import TileSheet
    from filterkit.session import Session
    from filterkit.sheets.picked import Channels


def sheet(
    session: Session, what: str | Iterable[str] | Drawable, normalizer: str | None, channels: Channels | None
) -> Sheet:
    """See `Workbench.sheet`."""
    check_channels(channels or "separate")
    if isinstance(what, Drawable):
        made = session.registry.create("normalizer", normalizer or what.default_normalizer)
        return _with_metrics(session, what.to_sheet(made))
    if isinstance(what, str):
        match = session.one(what, "a sheet shows one layer")
        return _layer_sheet(session, match, normalizer or "minmax", channels or "separate")
    matches = pick(session.catalog(), what)
    one_kernel = channels in (None, "first", "strongest")
    by_itself = "minmax:per=kernel" if one_kernel else "minmax:per=filter"
    return _picked_sheet(session, matches, normalizer or by_itself, channels or "strongest")


def sheets(
    session: Session, address: str, normalizer: str, channels: Channels
) -> Iterator[tuple[str, Sheet]]:
    """See `Workbench.sheets`."""
    matches = session.matches(address)
    several = len({match.model["name"] for match in matches}) > 1
    for match in matches:
        name = match.address if several else match.layer["name"]
        yield name, _layer_sheet(session, match, normalizer, channels)


def pick(catalog: Catalog, addresses: Iterable[str]) -> list[Match]:
    """What each of `addresses` names, in order.

    Raises
    ------
    NotFoundError, UsageError
        One of them names nothing or is not an address; there are too many, or none.
    """
    from filterkit.catalog.addresses import resolve_each

    texts = list(addresses)
    check_count(len(texts))
    found = resolve_each(catalog, map(parse_address, texts))
    if not found:
        raise NotFoundError("these addresses name no filters", hint="give at least one, e.g. vgg16/conv1/0")
    return found


def _with_metrics(session: Session, drawn: TileSheet) -> Sheet:
    """The same sheet as a `Sheet`, with the metrics that the catalog has for its tiles."""
    metrics, texts = tile_metrics(session.catalog, drawn.addresses)
    return Sheet.of(replace(drawn, metrics=metrics, texts=texts))


def _picked_sheet(session: Session, matches: Sequence[Match], normalizer: str, channels: Channels) -> Sheet:
    from filterkit.catalog.weights import bank

    made = session.registry.create("normalizer", normalizer)
    return _with_metrics(session, picked_sheet(matches, partial(bank, session.catalog()), made, channels))


def _layer_sheet(session: Session, match: Match, normalizer: str, channels: Channels) -> Sheet:
    if channels == "strongest":
        return _picked_sheet(session, [match], normalizer, channels)
    made = session.registry.create("normalizer", normalizer)
    [labels] = session.labels([match])
    return _with_metrics(session, _bank_sheet(session.catalog(), match, made, labels, channels))


def _bank_sheet(
    catalog: Catalog,
    match: Match,
    normalizer: Normalizer,
    labels: Sequence[str],
    channels: Literal["separate", "rgb", "first"],
) -> TileSheet:
    """A sheet of the filters and kernels that `match` selects.

    The whole layer is normalized before the selection, so that a filter looks the same whether it is drawn
    alone or with all others.
    """
    import numpy as np

    from filterkit.catalog.weights import bank

    weights = bank(catalog, match)
    normalized = normalizer.normalize(weights)
    if match.asked.filters is not None or match.asked.kernels is not None:
        chosen = np.ix_(match.filters, match.kernels)
        weights = weights[chosen]
        normalized = replace(normalized, values=normalized.values[chosen])
    return bank_sheet(
        normalized,
        filters=match.filters,
        kernels=match.kernels,
        channel_names=match.layer["input_channels"],
        filter_labels=labels,
        channels=channels,
        title=match.address,
        values=weights,
        address=match.address,
    )
