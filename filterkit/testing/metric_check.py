"""The conformance check of metrics, of filters and of layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from filterkit.plugins.protocols import FilterMetric, LayerMetric
from filterkit.records import FilterBank
from filterkit.testing.files import writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import Subject, pickled, subject_of
from filterkit.testing.trial_banks import bank_of, trial_banks

Metric = FilterMetric | LayerMetric
Measured = dict[str, Any]

KINDS = {"f": "numbers", "i": "numbers", "u": "numbers", "b": "booleans", "U": "texts"}


def check_metric(metric: Metric | Callable[[], Metric]) -> None:
    """Try a metric on banks of all shapes and types, constant, huge and not finite.

    Parameters
    ----------
    metric
        The object, or a class or another factory that takes no arguments. It measures filters, layers, or
        both.

    Raises
    ------
    ConformanceError
        Lists what it breaks: columns as announced, under names that are free; one value per filter, or one
        number per layer, of one kind in all banks; the same values for the same bank, whatever came before;
        a bank that stays as it was; no warnings, no output and no files; pickling; options.
    """
    subject = subject_of("metric", metric, "measure_layer" if _of_layers(metric) else "measure")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    findings.hold(bool(wrapped.columns or wrapped.layer_columns), "announces no columns")
    _check_names(subject)
    kinds: dict[str, set[str]] = {}
    tried: dict[str, tuple[FilterBank, Measured]] = {}
    with writes_nothing(findings):
        for name, bank in trial_banks():
            before = _bytes(bank)
            measured = findings.attempt(name, partial(_measure, wrapped, bank))
            findings.hold(_bytes(bank) == before, "changes the bank", name)
            if measured is None:
                continue
            tried[name] = bank, measured
            for column, values in measured.items():
                kinds.setdefault(column, set()).add(KINDS[values.dtype.kind])
        _run_bare(subject)
        check_repeats(findings, wrapped, copy, tried, _measure, _differs)
    for column, found in kinds.items():
        fine = len(found) == 1
        findings.hold(fine, f"returns now {' and now '.join(sorted(found))} for '{column}'")
    findings.conclude()


def _run_bare(subject: Subject) -> None:
    """Without filterkit in between, which keeps prints from stdout and hands off the bank."""
    bank, on = bank_of(np.linspace(-1, 1, 36, dtype=np.float32).reshape(4, 1, 3, 3)), "a bank to write to"
    before = _bytes(bank)
    for method in ("measure", "measure_layer"):
        if hasattr(subject.inner, method):
            subject.findings.attempt(on, partial(getattr(subject.inner, method), bank))
    subject.findings.hold(_bytes(bank) == before, "changes the bank", on)


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


def _check_names(subject: Subject) -> None:
    """Names that the catalog, or a metric that comes with filterkit, has already cannot be given again."""
    from filterkit.catalog.listings import searchable
    from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS

    if type(subject.inner).__module__.partition(".")[0] == "filterkit":
        return  # these are the columns of its own metrics
    for names, taken in (
        (subject.wrapped.columns, {*searchable(), *METRIC_COLUMNS}),
        (subject.wrapped.layer_columns, {*searchable(), *LAYER_METRIC_COLUMNS}),
    ):
        subject.findings.hold(len(set(names)) == len(names), "announces a column twice")
        for name in names:
            subject.findings.hold(
                name not in taken, f"announces the column '{name}', which filterkit has already"
            )
