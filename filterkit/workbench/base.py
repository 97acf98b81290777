"""What every part of the workbench stands on: catalog, plugins, and what an address means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.runtime import opened
from filterkit.settings import catalog_location

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.catalog.matches import Match, Selectable
    from filterkit.plugins.manager import PluginHost
    from filterkit.plugins.protocols import Progress
    from filterkit.plugins.registry import Registry
    from filterkit.records import FloatArray


class Bench:
    """An open catalog and the plugins, and a context manager around them.

    Subclasses add what can be done with them; `Workbench` is all of it.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | None = None,
        registry: Registry | None = None,
        upgrade: bool = True,
    ) -> None:
        self.location = catalog_location(catalog)
        self._registry = registry
        self._progress: Progress = progress or (lambda what, done, total: None)
        self._upgrade = upgrade
        self._catalog: Catalog | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def close(self) -> None:
        """Close the catalog and its networks. Arrays handed out stay valid."""
        if self._catalog is not None:
            opened.let_go(self._catalog.store.folder)
            self._catalog.close()
            self._catalog = None

    @property
    def registry(self) -> Registry:
        """What the plugins contribute, by kind and name."""
        if self._registry is None:
            from filterkit.plugins.manager import load_plugins
            from filterkit.plugins.registry import Registry

            self._registry = Registry(load_plugins())
        return self._registry

    @property
    def plugins(self) -> PluginHost:
        """All plugins, whatever their state."""
        return self.registry.host

    def catalog(self, *, write: bool = False) -> Catalog:
        """The open catalog; opened for writing where asked, which makes it where there is none."""
        from filterkit.catalog import Catalog

        if write and self._catalog is not None and not self._catalog.writable:
            self._catalog.close()
            self._catalog = None
        if self._catalog is None:
            self._catalog = Catalog.open(self.location, write=write, upgrade=self._upgrade)
        return self._catalog

    def _matches(self, address: str, *columns: Sequence[Selectable]) -> list[Match]:
        """What `address` names; rows of models and layers with the columns given, or all."""
        from filterkit.catalog.matches import resolve

        return resolve(self.catalog(), parse_address(address), *columns)

    def _one(self, address: str, rule: str, *columns: Sequence[Selectable]) -> Match:
        [first, *more] = self._matches(address, *columns)
        if more:
            names = ", ".join(match.address for match in (first, *more[:2]))
            raise UsageError(f"{rule}, and '{address}' names {1 + len(more)}", hint=f"e.g. {names}")
        return first

    def _weights(self, match: Match) -> FloatArray:
        from filterkit.catalog.weights import bank

        return sliced(bank(self.catalog(), match), match.filters, match.kernels)

    def _bias(self, match: Match) -> FloatArray | None:
        from filterkit.catalog.weights import bias

        values = bias(self.catalog(), match)
        return None if values is None else sliced(values, match.filters)

    def _labels(self, matches: Sequence[Match]) -> list[tuple[str, ...]]:
        """What to call each filter of whole layers: its label, or its number."""
        from filterkit.catalog.filter_queries import filter_labels

        given = filter_labels(self.catalog(), matches)
        return [
            tuple(
                label or str(number) for number, label in enumerate(labels or [""] * match.layer["filters"])
            )
            for match, labels in zip(matches, given, strict=True)
        ]

    def _chosen_labels(self, matches: Sequence[Match]) -> list[tuple[str, ...]]:
        return [
            labels if match.asked.filters is None else tuple(labels[number] for number in match.filters)
            for match, labels in zip(matches, self._labels(matches), strict=True)
        ]


def sliced(array: FloatArray, *selections: Sequence[int]) -> FloatArray:
    """Take the selected positions of the first axes; a view wherever they are evenly spaced."""
    import numpy as np

    array = array.view()
    for axis, selection in enumerate(selections):
        if selection == range(array.shape[axis]):
            continue
        step = selection[1] - selection[0] if len(selection) > 1 else 1
        evenly = range(selection[0], selection[0] + step * len(selection), step) if step else range(0)
        before = (slice(None),) * axis
        if list(evenly) == list(selection):
            stop = evenly.stop if evenly.stop >= 0 else None
            array = array[(*before, slice(evenly.start, stop, step))]
        else:
            array = np.take(array, selection, axis=axis)
    array.flags.writeable = False
    return array
