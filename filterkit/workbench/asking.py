"""Asking the catalog: rows about models, layers and filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from filterkit.address import parse_address
from filterkit.workbench.base import Bench
from filterkit.workbench.metric_columns import pointing_to_metrics
from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row


class Asking(Bench):
    """Listings, counts and queries; nothing is computed that the catalog does not hold."""

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
        from filterkit.catalog import filter_queries

        with pointing_to_metrics(self, address):
            return filter_queries.filters(
                self.catalog(), parse_address(address), columns=columns, where=where, sort=sort, limit=limit
            )

    def count_filters(self, address: str = "*", *, where: str | None = None) -> int:
        """How many filters `address` names that meet the condition; see `iter_filters`."""
        from filterkit.catalog import filter_queries

        with pointing_to_metrics(self, address):
            return filter_queries.count_filters(self.catalog(), parse_address(address), where=where)

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
        from filterkit.catalog import filter_queries

        with pointing_to_metrics(self, address, result=sort and sort.removeprefix("-")):
            columns, rows = filter_queries.group_filters(
                self.catalog(), parse_address(address), by, where=where, sort=sort, limit=limit
            )
        return Rows(rows, columns)

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
        from filterkit.catalog.sql import query

        with pointing_to_metrics(self, None):
            return query(
                self.catalog(), sql, timeout=timeout, limit=limit, max_value=max_value, max_result=max_result
            )
