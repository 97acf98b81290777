"""Arrange neighbours as a sheet: the query, then the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from filterkit.sheets.banks import bank_sheet

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet
    from filterkit.results import Neighbours

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
    labels = [query.name]
    for row in found:
        transform = "" if row["transform"] == "identity" else f" {row['transform']}"
        labels.append(f"{row['address']} {row['similarity']:.3f}{transform}")
    sheet = bank_sheet(
        replace(normalized, values=normalized.values[:, kernels]),
        filters=range(len(labels)),
        kernels=kernels,
        filter_labels=labels,
        title=f"{len(found):,} {query.level}s most similar to {query.name}",
        note="; ".join(notes),
        values=values[:, kernels],
    )
    sheet = replace(sheet, addresses=tuple(_addresses(found, kernels)))
    if sheet.columns == 1 or len(kernels) > 1 or sheet.count > LISTED:
        return sheet
    # In one column there is room for long labels on the left.
    assert sheet.values is not None
    tiles, shown = (
        plane.reshape(-1, 1, *sheet.tile_shape)[: sheet.count] for plane in (sheet.tiles, sheet.values)
    )
    return replace(sheet, tiles=tiles, values=shown, row_labels=sheet.tile_labels, tile_labels=())


def _addresses(found: Neighbours, kernels: Sequence[int]) -> Iterator[str]:
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
