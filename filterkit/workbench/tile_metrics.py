"""What the catalog knows of the filters behind the tiles of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.records import FloatArray


class TileMetrics(Mapping[str, "FloatArray"]):
    """From a metric to one number per tile; the catalog is read once somebody looks, which few renderers do.

    Pickled, it becomes a plain dict.

    Parameters
    ----------
    catalog
        Opens the catalog, or gives the open one.
    addresses
        Of what each tile shows; empty for a tile of nothing in the catalog.
    """

    def __init__(self, catalog: Callable[[], Catalog], addresses: Sequence[str]) -> None:
        self._catalog, self._addresses = catalog, addresses

    def __getitem__(self, name: str) -> FloatArray:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._columns,)

    @cached_property
    def _columns(self) -> dict[str, FloatArray]:
        import numpy as np

        from filterkit.catalog.filter_metrics import metrics_of

        parts = [address.split("/") for address in self._addresses]
        filters = [(part[0], part[1], int(part[2])) if len(part) > 2 else ("", "", 0) for part in parts]
        place = {filter_: number for number, filter_ in enumerate(dict.fromkeys(filters))}
        of_tile = [place[filter_] for filter_ in filters]
        columns: dict[str, FloatArray] = {}
        for name, values in metrics_of(self._catalog(), list(place)).items():
            columns[name] = np.array(values, np.float64)[of_tile]  # None becomes NaN
            columns[name].flags.writeable = False
        return columns
