"""Banks as arrays, sheets and pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError
from filterkit.workbench.base import Bench
from filterkit.workbench.views import FeatureMaps, Sheet, suits_grid

if TYPE_CHECKING:
    from filterkit.catalog.matches import Match
    from filterkit.records import FloatArray, TileSheet
    from filterkit.sheets import Channels


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
        match = self._one(address, "a bank is of one layer")
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
        match = self._one(address, "a bias is of one layer")
        return self._bias(match)

    def sheet(
        self,
        what: str | FeatureMaps,
        normalizer: str | None = None,
        *,
        channels: Channels = "separate",
    ) -> Sheet:
        """Filters or feature maps, normalized and arranged for drawing.

        Parameters
        ----------
        what
            The address of filters of one layer, or what `feature_maps` and `convolve` return.
        normalizer
            A spec string such as ``"symmetric:per=filter"``. Filters are normalized with their whole layer
            and default to ``"minmax"``; every feature map by itself, ``"minmax:per=filter"``, unless each is
            one value, as of a dense layer.
        channels
            Of filters: ``"separate"`` (a tile per kernel), ``"rgb"`` (a colour tile per filter) or
            ``"first"`` (the first kernel of each filter).

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing, or several layers; the normalizer is unknown; the layer has no colours.
        """
        from filterkit.workbench import drawing

        if isinstance(what, FeatureMaps):
            made = self.registry.create("normalizer", normalizer or drawing.usual_normalizer(what))
            return Sheet.of(drawing.maps_to_sheet(what, made))
        match = self._one(what, "a sheet is of one layer")
        return self._bank_sheet(match, normalizer or "minmax", channels)

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
            A spec string such as ``"mosaic:scale=1"``; None takes what suits the sheet and `suffix`.
        suffix
            What the file will end in, e.g. ``".svg"``.
        options
            Options of the renderer.

        Raises
        ------
        UsageError
            The renderer is unknown, does not make that kind of file, or refuses the sheet.
        """
        spec = renderer or _suitable_renderer(sheet, suffix)
        try:
            return self._draw(sheet, spec, suffix, options)
        except UsageError:
            if renderer or spec != "grid" or not _may_be_png(suffix):
                raise
            return self._draw(
                sheet, "mosaic", suffix, options
            )  # draws what a labelled figure has no room for

    def _draw(self, sheet: TileSheet, spec: str, suffix: str | None, options: dict[str, Any]) -> bytes:
        from filterkit.plugins.options import parse_spec

        name, _ = parse_spec(spec)
        known = {option.name: option for option in self.registry.find("renderer", name).options()}
        kind = suffix.lstrip(".").lower() if suffix else None
        kinds = [str(each) for each in known["format"].choices] if "format" in known else []
        if kind in kinds:
            options = {**options, "format": kind}
        made = self.registry.create("renderer", spec, **options)
        if kind and made.suffix != f".{kind}":
            writes = " or ".join(f".{each}" for each in kinds) or made.suffix
            raise UsageError(
                f"renderer '{name}' writes {writes}, not {suffix}",
                hint="give the file such a name, or leave --renderer out",
            )
        return made.render(sheet)

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

    def _bank_sheet(self, match: Match, normalizer: str, channels: Channels) -> Sheet:
        from filterkit.catalog.weights import bank
        from filterkit.workbench import drawing

        made = self.registry.create("normalizer", normalizer)
        weights = bank(self.catalog(), match)
        [labels] = self._labels([match])
        return Sheet.of(drawing.bank_to_sheet(match, weights, made, labels, channels))


def _may_be_png(suffix: str | None) -> bool:
    return suffix is None or suffix.lower() == ".png"


def _suitable_renderer(sheet: TileSheet, suffix: str | None) -> str:
    if suffix is not None and suffix.lower() not in (".png", ".svg", ".pdf", ".txt"):
        raise UsageError(f"no picture is written as '{suffix}'", hint="use .png, .svg, .pdf or .txt")
    if suffix and suffix.lower() == ".txt":
        return "terminal"
    if not suits_grid(sheet) and _may_be_png(suffix):
        return "mosaic"
    return "grid"
