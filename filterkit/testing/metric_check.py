"""Conformance check for metrics of filters and of layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from filterkit.plugins.protocols import FilterMetric, LayerMetric
from filterkit.records import FilterBank
from filterkit.testing.findings import writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import Subject, pickled, subject_of
from filterkit.testing.trial_banks import bank_of, trial_banks

Metric = FilterMetric | LayerMetric
Measured = dict[str, Any]

KINDS = {"f": "numbers", "i": "numbers", "u": "numbers", "b": "booleans", "U": "strings"}


def check_metric(metric: Metric | Callable[[], Metric]) -> None:
    """Check a metric with banks of all shapes and dtypes, including constant, huge and non-finite ones.

    Parameters
    ----------
    metric
        The object, or a class or another factory that takes no arguments. It may measure filters,
        layers, or both.

    Raises
    ------
    ConformanceError
        Lists all violations. Columns must be as declared, with names that are not taken; one value per
        filter, or one number per layer, of the same kind for all banks; the same values for the same bank,
        in any order; the bank must not be modified; no warnings, output or files; it must be picklable and
        its options must be valid.
    """
    subject = subject_of("metric", metric, "measure_layer" if _of_layers(metric) else "measure")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    findings.require(bool(wrapped.columns or wrapped.layer_columns), "declares no columns")
    check_names(subject, wrapped.columns, wrapped.layer_columns)
    kinds: dict[str, set[str]] = {}
    tried: dict[str, tuple[FilterBank, Measured]] = {}
    with writes_nothing(findings):
        for name, bank in trial_banks():
            before = _bytes(bank)
            measured = findings.attempt(name, partial(_measure, wrapped, bank))
            findings.require(_bytes(bank) == before, "modifies the bank", name)
            if measured is None:
                continue
            tried[name] = bank, measured
            for column, values in measured.items():
                kinds.setdefault(column, set()).add(KINDS[values.dtype.kind])
        _run_bare(subject)
        check_repeats(findings, wrapped, copy, tried, _measure, _differs)
    for column, found in kinds.items():
        kinds_found = " as well as ".join(sorted(found))
        findings.require(len(found) == 1, f"returns {kinds_found} for '{column}'")
    findings.conclude()


def _run_bare(subject: Subject) -> None:
    """Call it without the wrapper, which redirects output and makes the bank read-only."""
    bank, on = bank_of(np.linspace(-1, 1, 36, dtype=np.float32).reshape(4, 1, 3, 3)), "a writable bank"
    before = _bytes(bank)
    for method in ("measure", "measure_layer"):
        if hasattr(subject.inner, method):
            subject.findings.attempt(on, partial(getattr(subject.inner, method), bank))
    subject.findings.require(_bytes(bank) == before, "modifies the bank", on)


def _of_layers(metric: Any) -> bool:
    return not hasattr(metric, "measure")


def _measure(wrapped: Any, bank: FilterBank) -> Measured:
    of_layer = {name: np.float64(value) for name, value in wrapped.measure_layer(bank).items()}
    return {**wrapped.measure(bank), **of_layer}


def _differs(one: Measured, other: Measured) -> str:
    columns = [f"'{column}'" for column in one if not _same(one[column], other[column])]
    return f"measures {', '.join(columns)} differently" if columns else ""


def _same(one: Any, other: Any) -> bool:
    nan_may_be = one.dtype.kind == "f"
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=nan_may_be)


def _bytes(bank: FilterBank) -> tuple[bytes, bytes]:
    return bank.weights.tobytes(), b"" if bank.bias is None else bank.bias.tobytes()


def check_names(subject: Subject, columns: tuple[str, ...], layer_columns: tuple[str, ...] = ()) -> None:
    """Check that names of columns are not used by the catalog or by built-in metrics."""
    from filterkit.catalog.listings import searchable
    from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS

    if type(subject.inner).__module__.partition(".")[0] == "filterkit":
        return  # built-in metrics define these columns
    for names, taken in (
        (columns, {*searchable(), *METRIC_COLUMNS}),
        (layer_columns, {*searchable(), *LAYER_METRIC_COLUMNS}),
    ):
        subject.findings.require(len(set(names)) == len(names), "declares a column twice")
        for name in names:
            subject.findings.require(
                name not in taken, f"declares the column '{name}', which filterkit already has"
            )
