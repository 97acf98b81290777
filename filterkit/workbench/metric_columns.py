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
def pointing_to_metrics(bench: Bench, address: str, *, result: str | None = None) -> Iterator[None]:
    """Let the error about an unknown column say how to have it, if a metric that is installed fills it.

    A metric that came after a model, with a plugin, say, has no column there until it is measured.

    Parameters
    ----------
    result
        A column of results, not of filters: no metric fills it.
    """
    try:
        yield
    except UnknownNameError as error:
        metric = _metric_of(bench, error.name.rpartition(".")[2])
        if metric is None or error.name == result:
            raise
        import shlex  # only for this hint

        model = shlex.quote(parse_address(address).model)
        hint = f"{metric} fills it, and was not measured there yet: filterkit measure {model}"
        raise UnknownNameError(error.message, name=error.name, hint=hint) from None


def _metric_of(bench: Bench, column: str) -> str | None:
    """The metric that fills a column, with its plugin, if there is one."""
    try:
        metrics = bench.registry.metrics()
    except FilterkitError:  # of a plugin that is broken; the question is what is wrong with the column
        return None
    found = (each for each in metrics if column in (*each.columns, *each.layer_columns))
    return next((f"metric {each.contribution.name} of {each.plugin.name}" for each in found), None)
