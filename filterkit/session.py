"""The session that every operation receives: the open catalog, the plugins, and access by address."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.settings import catalog_location

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.catalog.addresses import Match, Selectable
    from filterkit.comparison.similarity import LengthsCache
    from filterkit.plugins.host import PluginHost
    from filterkit.plugins.protocols import Progress
    from filterkit.plugins.registry import Registry
    from filterkit.records import FloatArray
    from filterkit.runtime.network_cache import OpenNetworks


class Session:
    """The open catalog, the plugins and the progress callback of a `Workbench`; takes the same parameters."""

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | bool | None = None,
        registry: Registry | None = None,
        upgrade: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            raise UsageError(f"progress cannot be {progress!r}", hint="give True, False or a function")
        self.location = catalog_location(catalog)
        self._progress: Progress | bool = True if progress is None else progress
        self._registry = registry
        self._upgrade = upgrade
        self.stop = stop
        self._catalog: Catalog | None = None

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A context whose value reports the progress of one operation; its bars disappear at the end.

        Where it reports, the operation ends with KeyboardInterrupt if it is to stop.
        """
        from filterkit.progress import progress_bar

        with progress_bar(self._progress) as report:
            yield report if self.stop is None else partial(self._report, report, self.stop)

    @staticmethod
    def _report(report: Progress, stop: Callable[[], bool], what: str, done: int, total: int | None) -> None:
        if stop():
            raise KeyboardInterrupt
        report(what, done, total)

    def close(self) -> None:
        """Close the catalog and its networks. Arrays that were returned remain valid."""
        if self._catalog is not None:
            self.close_networks()
            self._catalog.close()
            self._catalog = None

    def close_networks(self) -> None:
        """Close the networks that are open for feature maps, as they hold files of the store."""
        self.__dict__.pop("networks", None)
        self.__dict__.pop("differentiable", None)

    @property
    def registry(self) -> Registry:
        """The contributions of all plugins, by kind and name."""
        if self._registry is None:
            from filterkit.plugins.host import load_plugins
            from filterkit.plugins.registry import Registry

            self._registry = Registry(load_plugins())
        return self._registry

    @property
    def plugins(self) -> PluginHost:
        """All plugins, including blocked and broken ones."""
        return self.registry.host

    @cached_property
    def networks(self) -> OpenNetworks:
        """The networks that are open for feature maps."""
        from filterkit.runtime.network_cache import OpenNetworks

        return OpenNetworks()

    @cached_property
    def differentiable(self) -> OpenNetworks:
        """The networks of attributions, and their receptive fields, before a session of them is open."""
        from filterkit.runtime.network_cache import OpenNetworks

        return OpenNetworks()

    @cached_property
    def outputs(self) -> OpenNetworks:
        """Outputs of networks as targets: finding them takes longer than running small networks."""
        from filterkit.runtime.network_cache import OpenNetworks

        return OpenNetworks()

    @cached_property
    def lengths(self) -> LengthsCache:
        """Norms of kernels and filters, cached across searches."""
        from filterkit.comparison.similarity import LengthsCache

        return LengthsCache()

    @cached_property
    def edges(self) -> dict[tuple[int, str], Sequence[dict[str, Any]]]:
        """Edges that were traced, by id and hash of their model: its catalog may not be writable."""
        return {}

    def catalog(self, *, write: bool = False) -> Catalog:
        """The open catalog; with `write` it is opened for writing, and created if it does not exist."""
        from filterkit.catalog import Catalog

        if write and self._catalog is not None and not self._catalog.writable:
            self._catalog.close()
            self._catalog = None
        if self._catalog is None:
            self._catalog = Catalog.open(self.location, write=write, upgrade=self._upgrade, stop=self.stop)
        return self._catalog

    def matches(self, address: str, *columns: Sequence[Selectable]) -> list[Match]:
        """What `address` names; rows of models and layers with the columns given, or all."""
        from filterkit.catalog.addresses import resolve

        return resolve(self.catalog(), parse_address(address), *columns)

    def one(self, address: str, rule: str, *columns: Sequence[Selectable]) -> Match:
        """The single layer that `address` names.

        Raises
        ------
        UsageError
            It names several; `rule` explains why one is required.
        """
        [first, *more] = self.matches(address, *columns)
        if more:
            names = ", ".join(match.address for match in (first, *more[:2]))
            raise UsageError(f"{rule}, but '{address}' names {1 + len(more)} layers", hint=f"e.g. {names}")
        return first

    def weights(self, match: Match) -> FloatArray:
        """The weights that `match` selects, shape (filters, kernels, *kernel_shape); mapped if possible."""
        from filterkit.catalog.weights import bank

        return sliced(bank(self.catalog(), match), match.filters, match.kernels)

    def bias(self, match: Match) -> FloatArray | None:
        """The biases of the filters that `match` selects, shape (filters,)."""
        from filterkit.catalog.weights import bias

        values = bias(self.catalog(), match)
        return None if values is None else sliced(values, match.filters)

    def labels(self, matches: Sequence[Match]) -> list[tuple[str, ...]]:
        """The label of each filter of whole layers, or its number."""
        from filterkit.catalog.filters import filter_labels

        given = filter_labels(self.catalog(), matches)
        return [
            tuple(
                label or str(number) for number, label in enumerate(labels or [""] * match.layer["filters"])
            )
            for match, labels in zip(matches, given, strict=True)
        ]

    def selected_labels(self, matches: Sequence[Match]) -> list[tuple[str, ...]]:
        """As `labels`, for the filters that each match selects."""
        return [
            labels if match.asked.filters is None else tuple(labels[number] for number in match.filters)
            for match, labels in zip(matches, self.labels(matches), strict=True)
        ]


def sliced(array: FloatArray, *selections: Sequence[int]) -> FloatArray:
    """Select positions along the first axes; a view if they are evenly spaced."""
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
