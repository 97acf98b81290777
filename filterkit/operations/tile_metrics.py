"""The catalog's metrics of the filters that a sheet shows, read on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog import Catalog
    from filterkit.catalog.metrics import FilterMetrics
    from filterkit.records import FloatArray

    TextArray = NDArray[np.str_]

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
