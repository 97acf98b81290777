"""Banks as arrays, sheets and pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.workbench.base import Bench

if TYPE_CHECKING:
    from filterkit.catalog.matches import Match
    from filterkit.records import FloatArray, TileSheet
    from filterkit.workbench.differences import Differences
    from filterkit.workbench.neighbours import Neighbours
    from filterkit.workbench.picking import Channels
    from filterkit.workbench.views import FeatureMaps, Sheet


class Looking(Bench):
    """Weights, and drawings of weights and feature maps."""

    def bank(self, address: str) -> FloatArray:
        """The filters that `address` names, in one layer.

        Returns
        -------
        ndarray
            Read-only, shape (filters, kernels, *kernel_shape): O I H W. Mapped from disk, not loaded, where
            the address takes all of them, a range, or steps.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The address names several layers.
        """
        from filterkit.catalog.weights import PLACES

        match = self._one(address, "a bank is of one layer", *PLACES)
        return self._weights(match)

    def bias(self, address: str) -> FloatArray | None:
        """The biases of the filters that `address` names in one layer.

        Returns
        -------
        ndarray or None
            Read-only, shape (filters,); None where the layer has none.

        Raises
        ------
        NotFoundError, UsageError
            As `bank`.
        """
        from filterkit.catalog.weights import PLACES

        match = self._one(address, "a bias is of one layer", *PLACES)
        return self._bias(match)

    def sheet(
        self,
        what: str | Iterable[str] | FeatureMaps | Neighbours | Differences,
        normalizer: str | None = None,
        *,
        channels: Channels | None = None,
    ) -> Sheet:
        """Filters or feature maps, normalized and arranged for drawing.

        Parameters
        ----------
        what
            The address of filters of one layer; several addresses, of whatever layers; or what
            `feature_maps`, `convolve`, `similar` and `diff` return.
        normalizer
            A spec string such as ``"symmetric:per=filter"``. Filters are normalized with their whole layer.
            The default is ``"minmax"`` for one address; for several, each tile by itself; for feature maps
            ``"minmax:per=filter"``, unless each is one value, as of a dense layer; for what `similar` found
            ``"symmetric:per=filter"`` or ``per=kernel``; for differences ``"symmetric:per=filter"``.
        channels
            Of filters: ``"separate"`` (a tile per kernel, the default for one address), ``"rgb"`` (a colour
            tile per filter), ``"first"`` (the first kernel of each filter) or ``"strongest"`` (the one of
            largest norm, the default for several addresses).

        Raises
        ------
        NotFoundError, UsageError
            An address names nothing, or the only one several layers; the normalizer is unknown; the layer
            has no colours; they are too many.
        """
        from filterkit.workbench import drawing
        from filterkit.workbench.differences import Differences
        from filterkit.workbench.neighbours import Neighbours, neighbours_to_sheet
        from filterkit.workbench.picking import check_channels, pick
        from filterkit.workbench.views import FeatureMaps

        check_channels(channels or "separate")
        if isinstance(what, FeatureMaps):
            made = self.registry.create("normalizer", normalizer or drawing.usual_normalizer(what))
            return self._with_metrics(drawing.maps_to_sheet(what, made))
        if isinstance(what, Neighbours):
            made = self.registry.create("normalizer", normalizer or f"symmetric:per={what.sought.level}")
            return self._with_metrics(neighbours_to_sheet(what, made))
        if isinstance(what, Differences):
            from filterkit.workbench.pairs_drawing import pairs_sheet

            made = self.registry.create("normalizer", normalizer or "symmetric:per=filter")
            return self._with_metrics(pairs_sheet(what, made))
        if isinstance(what, str):
            match = self._one(what, "a sheet is of one layer")
            return self._bank_sheet(match, normalizer or "minmax", channels or "separate")
        matches = pick(self.catalog(), what)
        one_kernel = channels in (None, "first", "strongest")
        by_itself = "minmax:per=kernel" if one_kernel else "minmax:per=filter"
        return self._picked_sheet(matches, normalizer or by_itself, channels or "strongest")

    def sheets(
        self, address: str, normalizer: str = "minmax", *, channels: Channels = "separate"
    ) -> Iterator[tuple[str, Sheet]]:
        """A named sheet for every layer that `address` names."""
        matches = self._matches(address)
        several = len({match.model["name"] for match in matches}) > 1
        for match in matches:
            name = match.address if several else match.layer["name"]
            yield name, self._bank_sheet(match, normalizer, channels)

    def render(
        self, sheet: TileSheet, renderer: str | None = None, *, suffix: str | None = None, **options: Any
    ) -> bytes:
        """Draw a sheet.

        Parameters
        ----------
        renderer
            A spec string such as ``"mosaic:scale=1"``; None takes what suits the sheet and `suffix`: one
            that comes with filterkit, or the only one that writes such files.
        suffix
            What the file will end in, e.g. ``".svg"``.
        options
            Options of the renderer.

        Raises
        ------
        UsageError
            The renderer is unknown, does not make that kind of file, or refuses the sheet.
        """
        from filterkit.workbench.rendering import render

        return render(self.registry, sheet, renderer, suffix, options)

    def suffixes(self, renderer: str) -> tuple[str, ...]:
        """What files of a renderer end in, e.g. ``(".png", ".svg", ".pdf")``; the usual one first.

        Raises
        ------
        UsageError
            The renderer is unknown, or refuses its options.
        """
        from filterkit.workbench.rendering import suffixes_of

        return suffixes_of(self.registry, renderer)

    def export(self, address: str, path: str | os.PathLike[str]) -> None:
        """Write banks as ``.npy`` (one layer), ``.npz`` or ``.safetensors`` (keys are layer names).

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the suffix is another, or several layers are for a ``.npy``.
        """
        from filterkit.workbench.exporting import export

        matches = self._matches(address)
        several = len({match.model["name"] for match in matches}) > 1
        banks = {match.address if several else match.layer["name"]: self._weights(match) for match in matches}
        export(banks, Path(path))

    def _with_metrics(self, sheet: TileSheet) -> Sheet:
        """The same sheet, which shows itself, and knows what the catalog holds of its tiles."""
        from filterkit.workbench.tile_metrics import tile_metrics
        from filterkit.workbench.views import Sheet

        metrics, texts = tile_metrics(self.catalog, sheet.addresses)
        return Sheet.of(replace(sheet, metrics=metrics, texts=texts))

    def _picked_sheet(self, matches: Sequence[Match], normalizer: str, channels: Channels) -> Sheet:
        from filterkit.workbench.picking import picked_sheet

        made = self.registry.create("normalizer", normalizer)
        return self._with_metrics(picked_sheet(self.catalog(), matches, made, channels))

    def _bank_sheet(self, match: Match, normalizer: str, channels: Channels) -> Sheet:
        if channels == "strongest":
            return self._picked_sheet([match], normalizer, channels)
        from filterkit.catalog.weights import bank
        from filterkit.workbench import drawing

        made = self.registry.create("normalizer", normalizer)
        weights = bank(self.catalog(), match)
        [labels] = self._labels([match])
        return self._with_metrics(drawing.bank_to_sheet(match, weights, made, labels, channels))
