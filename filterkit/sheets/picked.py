"""Arrange filters selected anywhere in the catalog, or the neighbours of one, on a sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filterkit.errors import UsageError
from filterkit.sheets.provenance import listed_models
from filterkit.sheets.tiles import as_pictures, bank_sheet, combined, with_channel

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, Normalized, TileSheet
    from filterkit.results.similar import Neighbours
    from filterkit.sheets.tiles import DrawnChannels

Read = Callable[[Sequence["Match"]], tuple[Sequence[int], "FloatArray"]]
"""Reads a layer for some matches of it: numbers of filters, at least those selected, and their weights."""

MOST = 10_000
"""Limit on the filters on one sheet."""

LARGEST_SIDE = 64
"""Limit on the side of a tile, in values, if kernels of several sizes share a sheet."""

MOST_VALUES = 2**27
"""Limit on the values on one sheet."""


@dataclass(frozen=True, slots=True)
class _Pick:
    """One filter, and which of its kernels are drawn."""

    match: Match
    filter: int
    kernels: Sequence[int]

    @property
    def number(self) -> str:
        """The address after the layer: the filter, and the kernel if only one of several is drawn."""
        layer = self.match.layer
        one = layer["kernels"] > layer["filters"] and len(self.kernels) == 1 and "drawn" not in layer
        return f"/{self.filter}/{self.kernels[0]}" if one else f"/{self.filter}"

    @property
    def address(self) -> str:
        """The address of what is drawn."""
        return self.match.address + self.number

    @property
    def label(self) -> str:
        """The address, with the name of the input channel if only one of several kernels is drawn."""
        layer = self.match.layer
        named = self.number.count("/") > 1 or (len(self.kernels) == 1 and layer.get("drawn") == "expanded")
        names = layer["input_channels"] if named else ()
        return with_channel(self.address, names, self.kernels[0])


def picked_sheet(
    matches: Sequence[Match],
    read: Read,
    normalizer: Normalizer,
    channels: DrawnChannels,
    *,
    in_pairs: bool = False,
    per_pair: bool = False,
) -> TileSheet:
    """Draw the filters that `matches` select, in order, from any layers.

    Of every layer, all that `read` returns is normalized together before the selection. Kernels of different
    sizes are stretched to the same size. With `in_pairs`, matches of one filter each come in pairs: they are
    drawn side by side, and their ``strongest`` kernel is that of the first, unless the second has no such
    kernel. With `per_pair`, every pair is normalized as one filter, so that both are on the same scale.

    Raises
    ------
    UsageError
        There are too many, or `channels` is ``separate`` or ``rgb`` and they have different kernels.
    """
    check_count(sum(len(match.filters) for match in matches))
    of_several = any(len(match.kernels) > 1 for match in matches)
    if in_pairs and channels == "strongest":
        matches = list(_same_kernels(matches, read))
    picks, normalized, values = _tiles(matches, read, normalizer, channels)
    if per_pair:
        pairs = normalizer.normalize(values.reshape(len(values) // 2, -1, *values.shape[2:]))
        summary = pairs.summary.replace("per filter", "per pair")
        normalized = replace(pairs, values=pairs.values.reshape(values.shape), summary=summary)
    notes = [normalized.summary]
    if of_several and channels in ("strongest", "first"):
        notes.append(
            f"the {channels} kernel of {'the first filter of each pair' if in_pairs else 'each filter'}"
        )
    shapes = dict.fromkeys("×".join(map(str, pick.match.layer["kernel_shape"])) for pick in picks)
    if len(shapes) > 1:
        notes.append(f"kernels of {', '.join(shapes)} drawn at the same size")
    models = {f"{pick.match.model['name']}/" for pick in picks}
    whose = models.pop() if len(models) == 1 else ""
    names = {tuple(pick.match.layer["input_channels"]) for pick in picks}
    sheet = bank_sheet(
        normalized,
        filters=range(len(picks)),
        kernels=picks[0].kernels if channels in ("separate", "rgb") else range(1),
        channel_names=names.pop() if len(names) == 1 else (),
        filter_labels=[pick.label.removeprefix(whose) for pick in picks],
        channels="rgb" if channels == "rgb" else "separate",
        title=_title(picks),
        note="; ".join(filter(None, notes)),
        values=values if len(shapes) == 1 else None,  # stretched kernels no longer have their own values
        group=2 if in_pairs else 1,
    )
    return replace(sheet, addresses=tuple(_addresses(picks, channels)))


def _addresses(picks: Sequence[_Pick], channels: DrawnChannels) -> Iterator[str]:
    """Address of every tile."""
    for pick in picks:
        filter_ = f"{pick.match.address}/{pick.filter}"
        if channels == "rgb":
            yield filter_
        elif "drawn" in pick.match.layer:  # its channels are not kernels
            yield from [filter_] * len(pick.kernels)
        else:
            yield from (f"{filter_}/{kernel}" for kernel in pick.kernels)


def _same_kernels(matches: Sequence[Match], read: Read) -> Iterator[Match]:
    """Pairs of filters, both with the strongest kernel of the first, as others could not be compared."""
    banks: dict[int, tuple[Sequence[int], FloatArray]] = {}
    for first, second in zip(matches[::2], matches[1::2], strict=True):
        layer = first.layer["id"]
        if layer not in banks:
            banks[layer] = read([each for each in matches if each.layer["id"] == layer])
        [pick] = _picks(first, *banks[layer], "strongest")
        yield replace(first, kernels=pick.kernels)
        yield replace(second, kernels=pick.kernels) if first.kernels == second.kernels else second


def check_count(filters: int) -> None:
    """Raise UsageError if there are too many filters for one sheet."""
    if filters > MOST:
        raise UsageError(
            f"{filters:,} filters do not fit on one sheet; the limit is {MOST:,}",
            hint="select fewer with `filterkit filters` and its --where, --sort and --limit",
        )


def _tiles(
    matches: Sequence[Match],
    read: Read,
    normalizer: Normalizer,
    channels: DrawnChannels,
) -> tuple[list[_Pick], Normalized, FloatArray]:
    """Everything to draw, in the order of `matches`: normalized layer by layer, and as in the catalog."""
    import numpy as np

    of_layer: dict[int, list[tuple[int, Match]]] = {}
    for place, match in enumerate(matches):
        of_layer.setdefault(match.layer["id"], []).append((place, match))
    found: dict[tuple[int, int], tuple[_Pick, FloatArray, FloatArray]] = {}
    each: list[Normalized] = []
    for asked in of_layer.values():
        numbers, weights = read([match for _, match in asked])
        done = normalizer.normalize(weights)
        each.append(replace(done, values=done.values[:0]))
        for place, match in asked:
            for pick in _picks(match, numbers, weights, channels):
                row = numbers.index(pick.filter)
                drawn, shown = (as_pictures(of[row][list(pick.kernels)], 1) for of in (done.values, weights))
                found[place, len(found)] = pick, drawn, shown
    picked = [found[key] for key in sorted(found)]
    picks = [pick for pick, _, _ in picked]
    if len({tuple(pick.kernels) for pick in picks if len(pick.kernels) > 1}) > 1:
        raise UsageError(
            "these filters have different kernels, which do not form columns",
            hint="channels=strongest draws one kernel of each filter",
        )
    tiles = np.stack(list(_equally_large([plane for _, plane, _ in picked])))
    kernels = np.stack(list(_equally_large([plane for _, _, plane in picked])))
    return picks, combined(each, tiles.astype(np.float32, copy=False)), kernels


def _picks(
    match: Match, numbers: Sequence[int], weights: FloatArray, channels: DrawnChannels
) -> Iterator[_Pick]:
    """The kernels to draw for each filter that `match` selects."""
    import numpy as np

    for number in match.filters:
        kernels = match.kernels
        if channels == "first":
            kernels = kernels[:1]
        elif channels == "strongest" and len(kernels) > 1:
            chosen = weights[numbers.index(number)][list(kernels)].astype(np.float32)
            chosen = np.nan_to_num(chosen, posinf=0, neginf=0)
            energy = np.square(chosen).sum(axis=tuple(range(1, chosen.ndim)), dtype=np.float64)
            kernels = [kernels[int(energy.argmax())]]
        yield _Pick(match, number, kernels)


def _equally_large(planes: Sequence[FloatArray]) -> Iterator[FloatArray]:
    """Planes, shape (kernels, height, width), at the same size: if they differ, all become squares."""
    import numpy as np

    shapes = {plane.shape[1:] for plane in planes}
    if len(shapes) > 1:
        side = _common({side for shape in shapes for side in shape})
        shapes = {(side, side)}
    [(height, width)] = shapes
    if len(planes) * len(planes[0]) * height * width > MOST_VALUES:
        raise UsageError("there are too many kernels of these sizes for one sheet", hint="select fewer")
    for plane in planes:
        _, high, wide = plane.shape
        rows, columns = np.arange(height) * high // height, np.arange(width) * wide // width
        yield plane[:, rows[:, None], columns]


def _common(sizes: Collection[int]) -> int:
    """The least common multiple of `sizes`, if it is small enough; else values differ slightly in width."""
    multiple = math.lcm(*sizes)
    return multiple if multiple <= LARGEST_SIDE else max(LARGEST_SIDE, *sizes)


def _title(picks: Sequence[_Pick]) -> str:
    if len(picks) == 1:
        return picks[0].address
    models = list(dict.fromkeys(pick.match.model["name"] for pick in picks))
    whose = " and ".join(models) if len(models) <= 2 else f"{len(models)} models"
    asked = "filters" if any(pick.match.asked.kernels is None for pick in picks) else "kernels"
    return f"{len(picks):,} {asked} of {whose}"


MOST_KERNELS = 16
"""Of filters with more kernels, only those that are strongest in the query are drawn."""

LISTED = 48
"""Up to this many kernels are drawn in one column, with labels beside them."""


def neighbours_to_sheet(found: Neighbours, normalizer: Normalizer) -> TileSheet:
    """The query, then the results, as they are in the catalog: one per row.

    A row of a filter shows its kernels; if there are many, those that are strongest in the query.
    """
    import numpy as np

    query = found.query
    values = np.stack([query.values, *(_values(found.banks, row) for row in found)])
    if query.level == "kernel":
        values = values[:, np.newaxis]
    normalized = normalizer.normalize(values)
    kernels = _strongest(values[0])
    notes = [normalized.summary]
    if len(kernels) < values.shape[1]:
        notes.append(f"the {len(kernels)} of {values.shape[1]} kernels with the largest norm in the query")
    names = [found.input_channels.get(f"{row['model']}/{row['layer']}", ()) for row in found]
    labels = [_named(query.name, query.input_channels, query.place[2] if query.place else None)]
    for row, own in zip(found, names, strict=True):
        transform = "" if row["transform"] == "identity" else f" {row['transform']}"
        labels.append(f"{_named(row['address'], own, row['kernel'])} {row['similarity']:.3f}{transform}")
    shared = {*names, *([query.input_channels] if query.place else [])}
    sheet = bank_sheet(
        replace(normalized, values=normalized.values[:, kernels]),
        filters=range(len(labels)),
        kernels=kernels,
        channel_names=shared.pop() if len(shared) == 1 else (),
        filter_labels=labels,
        title=f"{len(found):,} {query.level}s most similar to {query.name}",
        note="; ".join(notes),
        values=values[:, kernels],
    )
    addresses = tuple(_neighbour_addresses(found, kernels))
    about = {"address": query.name, "model": listed_models(found.models), "level": query.level}
    provenance = {**sheet.provenance, **about}
    sheet = replace(sheet, addresses=addresses, provenance=provenance)
    if sheet.columns == 1 or len(kernels) > 1 or sheet.count > LISTED:
        return sheet
    # In one column there is room for long labels on the left.
    assert sheet.values is not None
    tiles, shown = (
        plane.reshape(-1, 1, *sheet.tile_shape)[: sheet.count] for plane in (sheet.tiles, sheet.values)
    )
    return replace(sheet, tiles=tiles, values=shown, row_labels=sheet.tile_labels, tile_labels=())


def correlated_to_sheet(found: Neighbours, normalizer: Normalizer) -> TileSheet:
    """The query, then the results: the kernel of largest norm of each, as their shapes may differ."""
    layer, _, number = found.query.name.rpartition("/")
    chosen = [(layer, int(number)), *((f"{row['model']}/{row['layer']}", row["filter"]) for row in found)]

    def read(matches: Sequence[Match]) -> tuple[Sequence[int], FloatArray]:
        weights = found.banks[matches[0].address]
        return range(len(weights)), weights

    matches = [replace(found.places[address], filters=[number]) for address, number in chosen]
    sheet = picked_sheet(matches, read, normalizer, "strongest")
    labels = [found.query.name, *(f"{row['address']} {row['similarity']:.3f}" for row in found)]
    assert found.observation is not None
    name, pictures = found.observation
    return replace(
        sheet,
        title=f"{len(found):,} filters whose responses correlate most with those of {found.query.name}",
        note=f"{sheet.note}; {pictures:,} pictures of observation {name}",
        tile_labels=tuple(labels) if sheet.tile_labels else (),
        row_labels=tuple(labels) if sheet.row_labels else (),
    )


def _named(address: str, names: Sequence[str], kernel: int | None) -> str:
    return address if kernel is None else with_channel(address, names, kernel)


def _neighbour_addresses(found: Neighbours, kernels: Sequence[int]) -> Iterator[str]:
    """Address of every tile; empty for a query that is not in the catalog."""
    query = found.query
    for name in (query.name if query.place else "", *(row["address"] for row in found)):
        of_filter = name and query.level == "filter"
        yield from (f"{name}/{kernel}" if of_filter else name for kernel in kernels)


def _values(banks: Mapping[str, FloatArray], row: Row) -> FloatArray:
    """The kernel or filter of a row."""
    filter_: FloatArray = banks[f"{row['model']}/{row['layer']}"][row["filter"]]
    return filter_ if row["kernel"] is None else filter_[row["kernel"]]


def _strongest(kernels: FloatArray) -> list[int]:
    """The numbers of the `MOST_KERNELS` kernels of largest norm, ascending."""
    import numpy as np

    norms = np.linalg.norm(kernels.reshape(len(kernels), -1).astype(np.float64), axis=1)
    chosen: list[int] = np.sort(np.argsort(-norms, kind="stable")[:MOST_KERNELS]).tolist()
    return chosen
