"""Compute metrics that models in the catalog lack."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from filterkit.address import Address, parse_address
from filterkit.errors import FilterkitError, UnknownNameError
from filterkit.results.rows import Rows
from filterkit.results.stats import LayerStatistics

if TYPE_CHECKING:
    from filterkit.catalog.metrics import Faults
    from filterkit.plugins.metric_contract import CheckedMetric
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

COLUMNS = ("model", "filters", "layers", "columns", "unmeasured")


def measure(session: Session, model: str, metrics: Sequence[str] | None) -> Rows:
    """See `Workbench.measure`."""
    from filterkit.catalog.addresses import models_named
    from filterkit.catalog.metrics import with_free_columns
    from filterkit.catalog.schema import model as table
    from filterkit.operations.plugins import hint_missing_plugins

    with hint_missing_plugins(session):
        named = [session.registry.create("metric", spec) for spec in metrics or ()]
    every, faults = with_free_columns(session.registry.metrics(), strict=False)
    _report(session, faults)
    again = [each.contribution for each in named]
    with_free_columns([*(each for each in every if each.contribution not in again), *named])  # raises
    with session.catalog().connect() as connection:
        found = models_named(connection, model, (table,))
    session.catalog(write=True)  # raises if it cannot be written, before anything is measured
    rows = [
        _measure_model(session, row, _missing(row, every) if metrics is None else named, strict=bool(named))
        for row in found
    ]
    return Rows(rows, COLUMNS)


def unmeasured(session: Session, address: str | LayerStatistics, question: str) -> list[str]:
    """See `Workbench.unmeasured`."""
    from filterkit.catalog import listings

    names = re.findall(r"\w+", question)
    if isinstance(address, LayerStatistics):
        return listings.lacking((match.model for match in address.matches), names)
    return listings.unmeasured(session.catalog(), parse_address(address), names)


@contextmanager
def hint_measure(session: Session, address: str | None, *, results: Collection[str] = ()) -> Iterator[None]:
    """Add a hint to the error about an unknown column, if an installed metric fills that column.

    A metric that was installed after a model was added has no column there until it is measured, and a
    response metric none until an observation chooses it.

    Parameters
    ----------
    address
        The address in the request; None for SQL, where no such column exists even after measuring.
    results
        Columns of results, not of filters, which no metric fills.
    """
    try:
        yield
    except UnknownNameError as error:
        table, _, column = error.name.rpartition(".")
        metric = _metric_of(session, column)
        is_response = metric is None and address is not None and table in ("", "response")
        other = _response_metric_of(session, column) if is_response else None
        if other is not None:
            hint = f"the response metric {other} fills it: filterkit observe MODEL IMAGES... --metric {other}"
            raise UnknownNameError(error.message, name=error.name, hint=hint) from None
        is_measurable = table in ("", "filter", "f", "layer") and error.name not in results
        if metric is None or not is_measurable or (address is None and _is_measured(session, column)):
            raise
        import shlex  # only for this hint

        model = shlex.quote(parse_address(address or "*").model)
        hint = f"{metric} fills it, but was not computed yet: filterkit measure {model}"
        raise UnknownNameError(error.message, name=error.name, hint=hint) from None


def _is_measured(session: Session, column: str) -> bool:
    """Whether a model has this column of a plugin's metric, or there are no models to measure."""
    from filterkit.catalog.addresses import models_named
    from filterkit.catalog.schema import model

    columns = (model.c.extra_metrics, model.c.extra_layer_metrics)
    try:
        with session.catalog().connect() as connection:
            found = models_named(connection, "*", columns)
    except FilterkitError:
        return True
    return any(column in (*row["extra_metrics"], *row["extra_layer_metrics"]) for row in found)


def _metric_of(session: Session, column: str) -> str | None:
    """The metric that fills a column and its plugin, in words; None if there is none."""
    try:
        metrics = session.registry.metrics()
    except FilterkitError:  # a broken plugin must not hide the error about the column
        return None
    found = (each for each in metrics if column in (*each.columns, *each.layer_columns))
    return next((f"metric {each.contribution.name} of {each.plugin.name}" for each in found), None)


def _response_metric_of(session: Session, column: str) -> str | None:
    """The name of the response metric that fills a column; None if there is none."""
    try:
        registrations = session.registry.registrations("response-metric")
        for registration in registrations:
            with session.plugins.guard(registration.plugin):
                if column in session.registry.create("response-metric", registration.full_name).columns:
                    return registration.name
    except FilterkitError:
        return None
    return None


def _measure_model(
    session: Session, model: Mapping[str, Any], metrics: Sequence[CheckedMetric], *, strict: bool
) -> Row:
    from filterkit.catalog.addresses import resolve
    from filterkit.catalog.metrics import columns_of_all, measure, metric_columns, put_measured, unmeasured
    from filterkit.catalog.weights import filter_bank
    from filterkit.plugins.checked import provenance

    name = model["name"]
    matches = resolve(session.catalog(), Address(name)) if metrics and model["layers"] else []
    banks = [(match.address, filter_bank(session.catalog(), match)) for match in matches]
    with session.progress() as progress:
        report = partial(progress, f"measuring {name}")
        measured, working, faults = measure(banks, metrics, strict=strict, report=report)
    _report(session, faults)
    if working:
        of_layers = {match.layer["id"]: each for match, each in zip(matches, measured, strict=True)}
        put_measured(session.catalog(), model, of_layers, metric_columns(working), provenance(working))
    return {
        "model": name,
        "filters": sum(match.layer["filters"] for match in matches),
        "layers": len(matches),
        "columns": columns_of_all(working),
        "unmeasured": unmeasured(metrics, working),
    }


def _missing(model: Mapping[str, Any], metrics: Sequence[CheckedMetric]) -> list[CheckedMetric]:
    """The metrics of which a model lacks a column."""
    present = set(model["measured"])
    return [metric for metric in metrics if not present.issuperset((*metric.columns, *metric.layer_columns))]


def _report(session: Session, faults: Faults[CheckedMetric]) -> None:
    for metric, error in faults:
        session.plugins.leave_out(metric, error)
