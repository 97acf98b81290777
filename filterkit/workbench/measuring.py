"""Measuring what is in the catalog already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.address import Address, parse_address
from filterkit.workbench.base import Bench
from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    from filterkit.catalog.measuring import Fault
    from filterkit.plugins.metric_contract import CheckedMetric
    from filterkit.plugins.protocols import Row
    from filterkit.records import FilterBank

COLUMNS = ("model", "filters", "layers", "columns", "unmeasured")


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
        from filterkit.catalog.matches import models_named
        from filterkit.catalog.measuring import refuse, with_free_columns
        from filterkit.catalog.schema import model as table
        from filterkit.workbench.gone import told_of_the_gone

        with told_of_the_gone(self):
            named = [self.registry.create("metric", spec) for spec in metrics or ()]
        every = with_free_columns(self.registry.metrics(), self.plugins.leave_out)
        again = [each.contribution for each in named]
        with_free_columns([*(each for each in every if each.contribution not in again), *named])
        fault = refuse if named else self.plugins.leave_out
        with self.catalog().connect() as connection:
            found = models_named(connection, model, (table,))
        self.catalog(write=True)  # raises where it cannot be written, before anything is measured
        rows = [
            self._measure(row, _missing(row, every) if metrics is None else named, fault) for row in found
        ]
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

    def _measure(self, model: Mapping[str, Any], metrics: Sequence[CheckedMetric], fault: Fault) -> Row:
        from filterkit.catalog.describe import metric_columns
        from filterkit.catalog.matches import resolve
        from filterkit.catalog.measuring import columns_of_all, measure, unmeasured
        from filterkit.catalog.remeasuring import put_measured
        from filterkit.catalog.weights import filter_bank
        from filterkit.workbench.adding import makers

        name = model["name"]
        matches = resolve(self.catalog(), Address(name)) if metrics and model["layers"] else []
        banks = [filter_bank(self.catalog(), match) for match in matches]
        total = sum(bank.weights.nbytes for bank in banks)

        def each_bank() -> Iterator[tuple[str, FilterBank]]:
            done = 0
            for match, bank in zip(matches, banks, strict=True):
                self._progress(f"measuring {name}", done, total)
                yield match.address, bank
                done += bank.weights.nbytes

        measured, working = measure(each_bank(), metrics, fault)
        if working:
            of_layers = {match.layer["id"]: each for match, each in zip(matches, measured, strict=True)}
            put_measured(self.catalog(), model, of_layers, metric_columns(working), makers(working))
        return {
            "model": name,
            "filters": sum(match.layer["filters"] for match in matches),
            "layers": len(matches),
            "columns": columns_of_all(working),
            "unmeasured": unmeasured(metrics, working),
        }


def _missing(model: Mapping[str, Any], metrics: Sequence[CheckedMetric]) -> list[CheckedMetric]:
    """Those of which a model lacks a column."""
    there = set(model["measured"])
    return [metric for metric in metrics if not there.issuperset((*metric.columns, *metric.layer_columns))]
