"""What a search hands out: rows that can be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet
    from filterkit.workbench.sought import Sought

COLUMNS = ("address", "similarity", "transform", "model", "layer", "filter", "kernel")

MOST_KERNELS = 16
"""Of filters with more kernels, those are drawn that are strongest in the one that was looked for."""

LISTED = 48
"""Up to so many kernels stand one below the other, with labels beside them."""


class Found(Rows):
    """Rows that a search found.

    Attributes
    ----------
    not_finite
        How many kernels or filters hold NaN or infinity, and were passed over.
    """

    def __init__(self, rows: Iterable[Row], columns: Iterable[str], not_finite: int) -> None:
        super().__init__(rows, columns)
        self.not_finite = not_finite


class Neighbours(Found):
    """The kernels or filters most similar to one, best first; `Workbench.sheet` draws them.

    Attributes
    ----------
    sought
        What was looked for.
    banks
        From the address of each layer that is among the rows to its bank, mapped.
    """

    def __init__(
        self, rows: Iterable[Row], sought: Sought, banks: Mapping[str, FloatArray], not_finite: int
    ) -> None:
        super().__init__(rows, COLUMNS, not_finite)
        self.sought, self.banks = sought, banks


def neighbours_to_sheet(found: Neighbours, normalizer: Normalizer) -> TileSheet:
    """What was looked for, then what was found, as they are in the catalog: one per row.

    A row of a filter shows its kernels; where there are many, those that are strongest in the first.
    """
    import numpy as np

    from filterkit.comparison.turns import IDENTITY
    from filterkit.sheets import bank_sheet

    sought = found.sought
    values = np.stack([sought.values, *(_values(found.banks, row) for row in found)])
    if sought.level == "kernel":
        values = values[:, np.newaxis]
    normalized = normalizer.normalize(values)
    kernels = _strongest(values[0])
    notes = [normalized.summary]
    if len(kernels) < values.shape[1]:
        notes.append(f"the {len(kernels)} of {values.shape[1]} kernels that are strongest in the first")
    labels = [sought.name]
    for row in found:
        turned = "" if row["transform"] == IDENTITY else f" {row['transform']}"
        labels.append(f"{row['address']} {row['similarity']:.3f}{turned}")
    sheet = bank_sheet(
        replace(normalized, values=normalized.values[:, kernels]),
        filters=range(len(labels)),
        kernels=kernels,
        filter_labels=labels,
        title=f"{len(found):,} {sought.level}s most similar to {sought.name}",
        note="; ".join(notes),
        values=values[:, kernels],
    )
    sheet = replace(sheet, addresses=tuple(_addresses(found, kernels)))
    if sheet.columns == 1 or len(kernels) > 1 or sheet.count > LISTED:
        return sheet
    # One below the other: there is room for long labels on the left.
    assert sheet.values is not None
    tiles, shown = (
        plane.reshape(-1, 1, *sheet.tile_shape)[: sheet.count] for plane in (sheet.tiles, sheet.values)
    )
    return replace(sheet, tiles=tiles, values=shown, row_labels=sheet.tile_labels, tile_labels=())


def _addresses(found: Neighbours, kernels: Sequence[int]) -> Iterator[str]:
    """Of every tile; empty for what was looked for where it is not in the catalog."""
    sought = found.sought
    for name in (sought.name if sought.place else "", *(row["address"] for row in found)):
        of_filter = name and sought.level == "filter"
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
