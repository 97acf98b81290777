"""Measuring what is in the catalog already."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.address import Address, parse_address
from filterkit.workbench.base import Bench
from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    from filterkit.plugins.metric_contract import CheckedMetric
    from filterkit.plugins.protocols import Row

COLUMNS = ("model", "filters", "layers", "columns")


class Measuring(Bench):
    """Metrics of models that were added before there were those metrics."""

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
            that were filled. The rows of a model are written at once, when all of it is measured.

        Raises
        ------
        NotFoundError
            There is no such model.
        UsageError
            There is no such metric.
        CatalogError
            The store does not hold the banks, or a model was removed meanwhile.
        PluginError, PluginContractError
            A metric fails, or returns what does not fit. The model stays as it was.
        """
        from filterkit.catalog.matches import models_named
        from filterkit.catalog.measuring import check_columns
        from filterkit.catalog.schema import model as table

        every = self.registry.metrics()
        named = [self.registry.create("metric", spec) for spec in metrics or ()]
        again = [each.contribution for each in named]
        check_columns([*named, *(each for each in every if each.contribution not in again)])
        with self.catalog().connect() as connection:
            found = models_named(connection, model, (table,))
        self.catalog(write=True)  # raises where it cannot be written, before anything is measured
        rows = [self._measure(row, _missing(row, every) if metrics is None else named) for row in found]
        return Rows(rows, COLUMNS)

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
        from filterkit.catalog import queries

        return queries.unmeasured(self.catalog(), parse_address(address), re.findall(r"\w+", question))

    def _measure(self, model: Mapping[str, Any], metrics: Sequence[CheckedMetric]) -> Row:
        from filterkit.catalog.describe import metric_columns
        from filterkit.catalog.matches import resolve
        from filterkit.catalog.measuring import measure
        from filterkit.catalog.remeasuring import put_measured
        from filterkit.catalog.weights import filter_bank
        from filterkit.workbench.adding import makers

        name = model["name"]
        columns = metric_columns(metrics)
        matches = resolve(self.catalog(), Address(name)) if metrics and model["layers"] else []
        banks = [filter_bank(self.catalog(), match) for match in matches]
        measured, done, total = {}, 0, sum(bank.weights.nbytes for bank in banks)
        for match, bank in zip(matches, banks, strict=True):
            self._progress(f"measuring {name}", done, total)
            measured[match.layer["id"]] = measure(match.address, bank, metrics)
            done += bank.weights.nbytes
        if metrics:
            put_measured(self.catalog(), model, measured, columns, makers(metrics))
        filters = sum(match.layer["filters"] for match in matches)
        return {"model": name, "filters": filters, "layers": len(matches), "columns": columns["measured"]}


def _missing(model: Mapping[str, Any], metrics: Sequence[CheckedMetric]) -> list[CheckedMetric]:
    """Those of which a model lacks a column."""
    there = set(model["measured"])
    return [metric for metric in metrics if not there.issuperset((*metric.columns, *metric.layer_columns))]
