"""The workbench: catalog, store, plugins and sessions as one object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from filterkit.address import parse_address
from filterkit.errors import UsageError
from filterkit.settings import catalog_location
from filterkit.workbench.views import GRID_LIMIT, FeatureMaps, Rows, Sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog import Catalog
    from filterkit.catalog.ingest import IngestResult
    from filterkit.catalog.matches import Match
    from filterkit.plugins.manager import PluginHost
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.plugins.registry import Registry
    from filterkit.records import FloatArray, TileSheet
    from filterkit.runtime.pictures import Picture
    from filterkit.sheets import Channels
    from filterkit.workbench.running import At


class Workbench:
    """Everything filterkit does, over one catalog; a context manager.

    Parameters
    ----------
    catalog
        The catalog's file or URL; None takes ``FILTERKIT_CATALOG`` or ``catalog.db``. It is made by the
        first `add`.
    progress
        Called with what is being done, how much of it is done, and of how much.
    registry
        What the plugins contribute; None loads the built-in and the installed ones when first needed.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.location = catalog_location(catalog)
        self._registry = registry
        self._progress: Progress = progress or (lambda what, done, total: None)
        self._catalog: Catalog | None = None

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workbench({self.location!r})"

    def close(self) -> None:
        """Close the catalog. Arrays handed out stay valid."""
        if self._catalog is not None:
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

    def add(
        self,
        ref: str | os.PathLike[str],
        *,
        name: str | None = None,
        replace: bool = False,
        preprocessing: str | None = None,
        extractors: Sequence[str] = ("convolution",),
    ) -> IngestResult:
        """Fetch a model, extract its filters and catalogue them.

        Parameters
        ----------
        ref
            An ONNX file, a known name (``vgg16``), ``classic``, ``keras:…``, ``wheel:…`` or a plugin's.
        name
            Its name in the catalog; made from `ref` where None.
        replace
            Replace a model of that name that has other content.
        preprocessing
            What the model's input expects, where the source does not say or is wrong, e.g. ``"torch"`` or
            ``"caffe:size=224/224"``.
        extractors
            Weight extractors, as spec strings.

        Raises
        ------
        FilterkitError
            Of many kinds; the catalog is then as it was before.
        """
        from filterkit.workbench.adding import add

        return add(
            self,
            os.fspath(ref),
            name=name,
            replace=replace,
            preprocessing=preprocessing,
            extractors=extractors,
            progress=self._progress,
        )

    def remove(self, model: str) -> None:
        """Remove a model, and from the store what no other model needs.

        Raises
        ------
        NotFoundError
            There is no such model.
        """
        from filterkit.catalog.removal import remove

        self.catalog()  # raises where there is none, instead of making one
        remove(self.catalog(write=True), model)

    def models(self) -> Rows:
        """One row per model."""
        from filterkit.catalog import queries

        return Rows(queries.models(self.catalog()), queries.MODEL_COLUMNS)

    def layers(self, address: str = "*") -> Rows:
        """One row per layer of the models and layers that `address` names.

        Raises
        ------
        NotFoundError
            There is none.
        """
        from filterkit.catalog import queries

        return Rows(queries.layers(self.catalog(), parse_address(address)), queries.LAYER_COLUMNS)

    def skipped(self, address: str = "*") -> Rows:
        """One row per convolution that was not extracted, with the reason."""
        from filterkit.catalog import queries

        return Rows(queries.skipped_nodes(self.catalog(), parse_address(address)), queries.SKIPPED_COLUMNS)

    def filters(
        self,
        address: str = "*",
        *,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Rows:
        """One row per filter that `address` names; see `iter_filters`."""
        columns, rows = self.iter_filters(address, where=where, sort=sort, limit=limit)
        return Rows(rows, columns)

    def iter_filters(
        self,
        address: str = "*",
        *,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and the rows of `filters` one by one.

        Parameters
        ----------
        where
            A condition over columns of filter and layer, e.g. ``"l2_norm > 1 and kernel_shape = '[3,3]'"``.
        sort
            A column; ``-column`` for largest first.
        limit
            At most so many rows.
        """
        from filterkit.catalog import queries

        return queries.filters(self.catalog(), parse_address(address), where=where, sort=sort, limit=limit)

    def query(self, sql: str, *, timeout: float | None = 30.0, limit: int | None = None) -> Rows:
        """The rows of one SELECT statement; the database refuses writes. `timeout` is in seconds."""
        columns, rows = self.iter_query(sql, timeout=timeout, limit=limit)
        return Rows(rows, columns)

    def iter_query(
        self, sql: str, *, timeout: float | None = 30.0, limit: int | None = None
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and the rows of `query` one by one."""
        from filterkit.catalog.sql import query

        return query(self.catalog(), sql, timeout=timeout, limit=limit)

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
        """The biases of the filters that `address` names in one layer, shape (filters,), or None."""
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
            and default to ``"minmax"``; every feature map by itself, ``"minmax:per=filter"``.
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
            made = self.registry.create("normalizer", normalizer or "minmax:per=filter")
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
        from filterkit.plugins.options import parse_spec

        spec = renderer or _suitable_renderer(sheet, suffix)
        known = {option.name for option in self.registry.find("renderer", parse_spec(spec)[0]).options()}
        if suffix and "format" in known:
            options["format"] = suffix.lstrip(".").lower()
        made = self.registry.create("renderer", spec, **options)
        if suffix and made.suffix != suffix.lower():
            raise UsageError(
                f"renderer '{parse_spec(spec)[0]}' writes {made.suffix}, not {suffix}",
                hint=f"name the file *{made.suffix}, or leave --renderer out",
            )
        return made.render(sheet)

    def feature_maps(
        self,
        address: str,
        image: Picture | None = None,
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: str | None = None,
        provider: str = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """What layers answer to one picture; the parameters are those of `iter_feature_maps`.

        Returns
        -------
        FeatureMaps
            ``.maps`` from layer to array (channels, height, width); ``numpy.asarray`` where it is one layer.
        """
        images = [] if image is None else [image]
        [maps] = self.iter_feature_maps(
            address, images, inputs=inputs, at=at, size=size, provider=provider, threads=threads
        )
        return maps

    def iter_feature_maps(
        self,
        address: str,
        images: Iterable[Picture] = (),
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: str | None = None,
        provider: str = "auto",
        threads: int | None = None,
    ) -> Iterator[FeatureMaps]:
        """What layers answer to pictures, one picture after the other.

        Parameters
        ----------
        address
            Layers and filters of one model; the model's name alone means all its layers.
        images
            Picture files, folders of them, PIL images or arrays (H, W) or (H, W, 3).
        inputs
            Instead of pictures: the graph's own inputs, by name, as arrays or as an ``.npz`` file.
        at
            ``"post"``: after the activation; ``"pre"``: the convolution's own output.
        size
            ``"224"``, ``"240x320"`` (height × width) or ``"original"``; None takes the model's nominal size.
        provider
            ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads
            CPU threads; None leaves it to ONNX Runtime.

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the network or the address do not fit.
        """
        from filterkit.catalog.weights import model_file
        from filterkit.workbench import running

        matches = self._matches(address)
        if len({match.model["name"] for match in matches}) > 1:
            raise UsageError(f"'{address}' names several models", hint="run one model at a time")
        return running.feature_maps(
            matches,
            model_file(self.catalog(), matches[0].model),
            {match.layer["name"]: self._chosen_labels(match) for match in matches},
            images,
            inputs=inputs,
            at=at,
            size=size,
            provider=provider,
            threads=threads,
        )

    def convolve(
        self,
        address: str,
        image: Picture,
        *,
        per_channel: bool = False,
        size: str | None = "original",
        provider: str = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """Slide filters of one layer over a picture, as one Conv node.

        Filters that take a picture's channels are slid as their layer slides them, over the picture as their
        model reads it, bias included. One kernel, or a filter with a single channel, is slid over the
        picture's gray values (0 to 1), or over R, G and B apart.

        Parameters
        ----------
        per_channel
            Slide a single kernel over red, green and blue, giving three maps.
        size
            As in `iter_feature_maps`, but the picture's own size by default.
        """
        from filterkit.workbench import convolving

        match = self._one(address, "convolve takes filters of one layer")
        return convolving.convolve(
            match,
            self._weights(match),
            self._bias(match),
            self._chosen_labels(match),
            image,
            per_channel=per_channel,
            size=size,
            provider=provider,
            threads=threads,
        )

    def export(self, address: str, path: str | os.PathLike[str]) -> None:
        """Write banks as ``.npy`` (one layer), ``.npz`` or ``.safetensors`` (keys are layer names)."""
        from filterkit.workbench.exporting import export

        matches = self._matches(address)
        several = len({match.model["name"] for match in matches}) > 1
        banks = {match.address if several else match.layer["name"]: self._weights(match) for match in matches}
        export(banks, Path(path))

    def plugin_rows(self) -> Rows:
        """One row per plugin, whatever its state."""
        from filterkit.workbench.diagnosis import PLUGIN_COLUMNS, plugin_rows

        return Rows(plugin_rows(self), PLUGIN_COLUMNS)

    def describe_plugin(self, name: str) -> Rows:
        """What a plugin adds, or the options of one thing that a plugin adds.

        Raises
        ------
        UsageError
            There is no plugin or contribution of that name.
        """
        from filterkit.workbench.describing import describe

        columns, rows = describe(self, name)
        return Rows(rows, columns)

    def examine(self) -> dict[str, Any]:
        """Versions, providers, catalog, store, plugins, and ``faults`` with what to do about each."""
        from filterkit.workbench.diagnosis import examine

        return examine(self)

    def catalog(self, *, write: bool = False) -> Catalog:
        """The open catalog; opened for writing where asked, which makes it where there is none."""
        from filterkit.catalog import Catalog

        if write and self._catalog is not None and not self._catalog.writable:
            self.close()
        if self._catalog is None:
            self._catalog = Catalog.open(self.location, write=write)
        return self._catalog

    def _matches(self, address: str) -> list[Match]:
        from filterkit.catalog.matches import resolve

        return resolve(self.catalog(), parse_address(address))

    def _one(self, address: str, rule: str) -> Match:
        [first, *more] = self._matches(address)
        if more:
            names = ", ".join(match.address for match in (first, *more[:2]))
            raise UsageError(f"{rule}, and '{address}' names {1 + len(more)}", hint=f"e.g. {names}")
        return first

    def _weights(self, match: Match) -> FloatArray:
        from filterkit.catalog.weights import bank

        return _slice(bank(self.catalog(), match), match.filters, match.kernels)

    def _bias(self, match: Match) -> FloatArray | None:
        from filterkit.catalog.weights import bias

        values = bias(self.catalog(), match)
        return None if values is None else _slice(values, match.filters)

    def _bank_sheet(self, match: Match, normalizer: str, channels: Channels) -> Sheet:
        from filterkit.catalog.weights import bank
        from filterkit.workbench import drawing

        made = self.registry.create("normalizer", normalizer)
        weights = bank(self.catalog(), match)
        return Sheet.of(drawing.bank_to_sheet(match, weights, made, self._labels(match), channels))

    def _labels(self, match: Match) -> tuple[str, ...]:
        """What to call each filter of a whole layer: its label, or its number."""
        from filterkit.catalog import queries

        _, rows = queries.filters(self.catalog(), parse_address(match.address))
        return tuple(row["label"] or str(row["filter"]) for row in rows)

    def _chosen_labels(self, match: Match) -> tuple[str, ...]:
        labels = self._labels(match)
        return tuple(labels[number] for number in match.filters)


def open(catalog: str | os.PathLike[str] | None = None, *, progress: Progress | None = None) -> Workbench:
    """Open the workbench over a catalog; see `Workbench`."""
    return Workbench(catalog, progress=progress)


def _slice(array: FloatArray, *selections: Sequence[int]) -> FloatArray:
    """Take the selected positions of the first axes; a view wherever they are evenly spaced."""
    import numpy as np

    for axis, selection in enumerate(selections):
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


def _suitable_renderer(sheet: TileSheet, suffix: str | None) -> str:
    if suffix is not None and suffix.lower() not in (".png", ".svg", ".pdf", ".txt"):
        raise UsageError(f"no picture is written as '{suffix}'", hint="use .png, .svg, .pdf or .txt")
    if suffix and suffix.lower() == ".txt":
        return "terminal"
    if sheet.count > GRID_LIMIT and suffix in (None, ".png", ".PNG"):
        return "mosaic"
    return "grid"
