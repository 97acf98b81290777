"""Make sheets of filters and results, with the metrics that the catalog has for their tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from filterkit.address import parse_address
from filterkit.errors import FilterkitError, NotFoundError, UsageError, briefly
from filterkit.operations.drawn_banks import EXPANDED, drawn_banks
from filterkit.results.rows import Rows
from filterkit.results.sheet import Drawable, Sheet, drawn, for_colormap
from filterkit.sheets.picked import check_count, picked_sheet
from filterkit.sheets.provenance import listed, listed_models
from filterkit.sheets.tiles import bank_sheet, check_channels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog import Catalog
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.metrics import FilterMetrics
    from filterkit.operations.drawn_banks import DrawnBanks, Most
    from filterkit.plugins.contracts import CheckedNormalizer
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, TileSheet
    from filterkit.session import Session
    from filterkit.sheets.tiles import Channels, LayerChannels

    TextArray = NDArray[np.str_]


PER_PAIR = "symmetric:per=filter"
"""The default normalizer of pairs, as of differences; each pair is normalized as one filter."""


def sheet(
    session: Session,
    what: str | Iterable[str] | Iterable[tuple[str, str]] | Rows | Drawable,
    normalizer: str | None,
    channels: Channels | None,
    colormap: str | None = None,
    *,
    expand: bool = False,
) -> Sheet:
    """See `Workbench.sheet`."""
    check_channels(channels or "separate")
    _check_colormap(session, colormap)
    if isinstance(what, Drawable):
        if expand or channels == "factors":
            raise UsageError("only filters can be expanded or factored", hint="give their addresses")
        return _finished(session, drawn(session.registry, what, normalizer, colormap), {}, colormap)
    if isinstance(what, str):
        match = session.one(what, "a sheet shows one layer")
        return _layer_sheet(session, match, normalizer, channels, colormap, expand=expand)
    pairs = _addresses(what)
    texts = [each for each in pairs if isinstance(each, str)]
    in_pairs = len(texts) < len(pairs)
    matches = _pick_pairs(session.catalog(), pairs) if in_pairs else pick(session.catalog(), texts)
    banks = drawn_banks(session, matches, channels, default="strongest", expand=expand, colormap=colormap)
    pairing = {"in_pairs": in_pairs, "per_pair": in_pairs and normalizer is None}
    return _picked_sheet(session, banks, normalizer, channels, colormap, **pairing)


def _addresses(what: Any) -> list[str | tuple[str, ...]]:
    """The addresses in `what`, or pairs of them; rows of `diff` that lack a partner are left out.

    Raises
    ------
    UsageError
        It contains something else.
    """
    if isinstance(what, Rows):
        columns = next(filter({*what.columns}.issuperset, (("address",), ("address_a", "address_b"))), None)
        if columns is None:
            raise UsageError(
                "this table has no addresses to draw",
                hint="it needs the column address, or address_a and address_b",
            )
        rows = (tuple(row[name] for name in columns) for row in what)
        return [row if len(row) > 1 else row[0] for row in rows if all(row)]
    found: list[str | tuple[str, ...]] = []
    for each in what if isinstance(what, Iterable) and not isinstance(what, Mapping | bytes) else [what]:
        parts = (each,) if isinstance(each, str) or not isinstance(each, Iterable) else tuple(each)
        wrong = [part for part in parts if not isinstance(part, str)]
        if wrong or isinstance(each, Mapping):
            raise UsageError(
                f"cannot draw {briefly(what)}",
                hint="give addresses, pairs of them, a table with them, or a result such as feature maps",
            )
        found.append(each if isinstance(each, str) else parts)
    return found


def sheets(
    session: Session,
    address: str,
    normalizer: str | None,
    channels: Channels | None,
    colormap: str | None,
    *,
    expand: bool = False,
    width: int | None = None,
) -> Iterator[tuple[str, Sheet]]:
    """See `Workbench.sheets`; with the `width` of a terminal, tiles that it does not draw may be black."""
    check_channels(channels or "separate")
    _check_colormap(session, colormap)
    matches = session.matches(address)
    several = len({match.model["name"] for match in matches}) > 1
    most = partial(_most_on_terminal, width=width) if width else None
    sizes = [4 * math.prod(match.bank_shape) for match in matches]
    with session.progress() as progress:
        for place, match in enumerate(matches):
            if len(matches) > 1 and not expand:  # which has a bar for each layer
                progress("drawing layers", sum(sizes[:place]), sum(sizes))
            name = match.address if several else match.layer["name"]
            yield name, _layer_sheet(session, match, normalizer, channels, colormap, expand=expand, most=most)


def _most_on_terminal(match: Match, *, width: int) -> int:
    """A limit on the filters of a layer that are drawn, expanded, on a terminal of so many characters."""
    from filterkit.renderers.terminal import most_tiles

    fields = match.layer["receptive_fields"]
    known = len(fields or ()) == 2 and all(fields)
    return most_tiles((int(fields[0]), int(fields[1])), width) if known else match.layer["filters"]


def _check_colormap(session: Session, colormap: str | None) -> None:
    """Raise UsageError unless a renderer knows the colormap: at once, not when the sheet is displayed."""
    from filterkit.renderers.canvas import colour_table

    def accepts(renderer: str) -> bool:
        with suppress(FilterkitError):
            session.registry.create("renderer", renderer, colormap=colormap)
            return True
        return False

    try:
        colour_table(colormap or "gray")
    except UsageError:  # a plugin's renderer may have colormaps of its own
        if not any(map(accepts, session.registry.names("renderer"))):
            raise


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


def _pick_pairs(catalog: Catalog, pairs: Iterable[str | tuple[str, ...]]) -> list[Match]:
    """What pairs of addresses name: the filters of the first and of the second, one by one in turn.

    Raises
    ------
    NotFoundError, UsageError
        As `pick`; or a pair does not name equally many filters.
    """
    each = [(pair,) if isinstance(pair, str) else pair for pair in pairs]
    wrong = next((pair for pair in each if len(pair) != 2), None)
    if wrong is not None:
        raise UsageError(f"'{', '.join(wrong)}' is not a pair of addresses", hint="give pairs only, or none")
    first, second = (pick(catalog, addresses) for addresses in zip(*each, strict=True))
    found: list[Match] = []
    for pair in zip(first, second, strict=False):
        if len({len(side.filters) for side in pair}) > 1:
            names = " and ".join(side.selected_address for side in pair)
            hint = "pair single filters, or layers with as many"
            raise UsageError(f"{names} have different numbers of filters", hint=hint)
        for numbers in zip(*(side.filters for side in pair), strict=True):
            found += (replace(side, filters=(number,)) for side, number in zip(pair, numbers, strict=True))
    return found


def _finished(
    session: Session, drawn: TileSheet, provenance: Mapping[str, str], colormap: str | None
) -> Sheet:
    """The same sheet as a `Sheet`, with the metrics of the filters on it, and how it was made."""
    metrics, texts = tile_metrics(session.catalog, drawn.addresses)
    provenance = {**drawn.provenance, **provenance}
    colormap = colormap or drawn.colormap
    return Sheet.of(replace(drawn, metrics=metrics, texts=texts, provenance=provenance, colormap=colormap))


def _picked_sheet(
    session: Session,
    banks: DrawnBanks,
    normalizer: str | None,
    channels: Channels | None,
    colormap: str | None,
    *,
    in_pairs: bool = False,
    per_pair: bool = False,
) -> Sheet:
    one_kernel = banks.channels in ("first", "strongest")
    default = banks.normalizer or "minmax:per=" + ("kernel" if one_kernel else "filter")
    default = PER_PAIR if in_pairs and banks.normalizer is None else for_colormap(default, colormap)
    made = session.registry.create("normalizer", normalizer or default)
    drawn = picked_sheet(
        banks.matches, banks.read, made, banks.channels, in_pairs=in_pairs, per_pair=per_pair
    )
    drawn = replace(drawn, note="; ".join(filter(None, (drawn.note, *banks.notes))))
    return _finished(session, drawn, _options(banks, made, channels), colormap)


def _options(banks: DrawnBanks, normalizer: CheckedNormalizer, channels: Channels | None) -> dict[str, str]:
    matches = banks.matches
    options = {
        "address": listed([match.selected_address for match in matches]),
        "model": listed_models({match.model["name"]: match.model["sha256"] for match in matches}),
        "normalizer": normalizer.spec,
        "channels": channels or banks.channels,
    }
    return {**options, "weights": "expanded"} if EXPANDED in banks.notes else options


def _layer_sheet(
    session: Session,
    match: Match,
    normalizer: str | None,
    channels: Channels | None,
    colormap: str | None,
    *,
    expand: bool,
    most: Most | None = None,
) -> Sheet:
    banks = drawn_banks(
        session, [match], channels, default="separate", expand=expand, colormap=colormap, most=most
    )
    default = banks.normalizer or for_colormap("minmax", colormap)
    if banks.channels == "strongest":
        return _picked_sheet(session, banks, normalizer or default, channels, colormap)
    made = session.registry.create("normalizer", normalizer or default)
    [labels] = session.labels([match])
    drawn = _bank_sheet(banks, made, labels, banks.channels)
    return _finished(session, drawn, _options(banks, made, channels), colormap)


def _bank_sheet(
    banks: DrawnBanks, normalizer: Normalizer, labels: Sequence[str], channels: LayerChannels
) -> TileSheet:
    """A sheet of the filters and kernels that a match selects.

    The whole layer is normalized before the selection, so that a filter looks the same whether it is drawn
    alone or with all others; of expanded weights and factors only those that are drawn are known. Those that
    are not drawn are zeros at the end.
    """
    import numpy as np

    [match] = banks.matches
    numbers, weights = banks.read(banks.matches)
    normalized = normalizer.normalize(weights)
    if list(match.filters) != list(numbers) or list(match.kernels) != list(range(weights.shape[1])):
        place = {number: row for row, number in enumerate(numbers)}
        chosen = np.ix_([place[number] for number in match.filters if number in place], match.kernels)
        weights = weights[chosen]
        normalized = replace(normalized, values=normalized.values[chosen])
        if len(weights) < len(match.filters):
            ends = [(0, len(match.filters) - len(weights)), *[(0, 0)] * (weights.ndim - 1)]
            weights = np.pad(weights, ends)
            normalized = replace(normalized, values=np.pad(normalized.values, ends))
    note = "; ".join(filter(None, (normalized.summary, *banks.notes)))
    made = bank_sheet(
        replace(normalized, summary=note),
        filters=match.filters,
        kernels=match.kernels,
        channel_names=match.layer["input_channels"],
        filter_labels=labels,
        channels=channels,
        title=match.address,
        values=weights,
        address=match.address,
    )
    if channels == "rgb" or "drawn" not in match.layer:
        return made
    addresses = tuple(each.rpartition("/")[0] for each in made.addresses)  # its channels are not kernels
    return replace(made, addresses=addresses)


Array = TypeVar("Array", bound="NDArray[Any]")


def tile_metrics(
    catalog: Callable[[], Catalog], addresses: Sequence[str]
) -> tuple[Mapping[str, FloatArray], Mapping[str, TextArray]]:
    """Map each metric to one number, or one text, per tile.

    The catalog is read once for both, on first use: few renderers use metrics.

    Parameters
    ----------
    catalog
        Opens the catalog, or returns the open one.
    addresses
        The address that each tile shows; empty for a tile of something that is not in the catalog.
    """

    @cache
    def found() -> tuple[FilterMetrics, list[int]]:
        """Metrics of each distinct filter, and for each tile the index of its filter."""
        from filterkit.catalog.metrics import metrics_of

        parts = [address.split("/") for address in addresses]
        filters = [(part[0], part[1], int(part[2])) if len(part) > 2 else ("", "", 0) for part in parts]
        place = {filter_: number for number, filter_ in enumerate(dict.fromkeys(filters))}
        return metrics_of(catalog(), list(place)), [place[filter_] for filter_ in filters]

    def numbers() -> dict[str, FloatArray]:
        import numpy as np

        metrics, of_tile = found()  # None becomes NaN
        return {name: np.array(values, np.float64)[of_tile] for name, values in metrics.numbers.items()}

    def texts() -> dict[str, TextArray]:
        import numpy as np

        metrics, of_tile = found()
        words = {name: [text or "" for text in texts] for name, texts in metrics.texts.items()}
        return {name: np.array(texts, np.str_)[of_tile] for name, texts in words.items()}

    return LazyArrays(numbers), LazyArrays(texts)


class LazyArrays(Mapping[str, Array]):
    """Read-only arrays by name, created on first use. It is pickled as a plain dict."""

    def __init__(self, read: Callable[[], dict[str, Array]]) -> None:
        self._read = read

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._columns,)

    @cached_property
    def _columns(self) -> dict[str, Array]:
        columns = self._read()
        for array in columns.values():
            array.flags.writeable = False
        return columns
