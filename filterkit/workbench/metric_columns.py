"""Columns that a metric would fill and that no model asked about has: what measures them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filterkit.address import parse_address
from filterkit.errors import FilterkitError, UnknownNameError

if TYPE_CHECKING:
    from filterkit.workbench.base import Bench


@contextmanager
def pointing_to_metrics(bench: Bench, address: str | None, *, result: str | None = None) -> Iterator[None]:
    """Let the error about an unknown column say how to have it, if a metric that is installed fills it.

    A metric that came after a model, with a plugin, say, has no column there until it is measured.

    Parameters
    ----------
    address
        What is asked about; None for SQL, where such a column is no column even after it was measured.
    result
        A column of results, not of filters: no metric fills it.
    """
    try:
        yield
    except UnknownNameError as error:
        table, _, column = error.name.rpartition(".")
        metric = _metric_of(bench, column)
        is_a_filters = table in ("", "filter", "f") and error.name != result
        if metric is None or not is_a_filters or (address is None and _is_measured(bench, column)):
            raise
        import shlex  # only for this hint

        model = shlex.quote(parse_address(address or "*").model)
        hint = f"{metric} fills it, and was not measured there yet: filterkit measure {model}"
        raise UnknownNameError(error.message, name=error.name, hint=hint) from None


def _is_measured(bench: Bench, column: str) -> bool:
    """Whether any model has a column of a plugin's metric, or there are no models to measure."""
    from filterkit.catalog.matches import models_named
    from filterkit.catalog.schema import model

    columns = (model.c.extra_metrics, model.c.extra_layer_metrics)
    try:
        with bench.catalog().connect() as connection:
            found = models_named(connection, "*", columns)
    except FilterkitError:
        return True
    return any(column in (*row["extra_metrics"], *row["extra_layer_metrics"]) for row in found)


def _metric_of(bench: Bench, column: str) -> str | None:
    """The metric that fills a column, with its plugin, if there is one."""
    try:
        metrics = bench.registry.metrics()
    except FilterkitError:  # of a plugin that is broken; the question is what is wrong with the column
        return None
    found = (each for each in metrics if column in (*each.columns, *each.layer_columns))
    return next((f"metric {each.contribution.name} of {each.plugin.name}" for each in found), None)
