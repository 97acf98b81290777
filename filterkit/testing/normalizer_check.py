"""The conformance check of normalizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from filterkit.plugins.protocols import Normalizer
from filterkit.records import Normalized
from filterkit.testing.arrays import Array, trial_weights
from filterkit.testing.files import writes_nothing
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

CLOSE = 1e-3
"""How far a zero may lie from `centre`: a quarter of a gray level of 256, with room for float16."""


def check_normalizer(normalizer: Normalizer | Callable[[], Normalizer]) -> None:
    """Try a normalizer on weights of all shapes and types, constant, empty, huge and not finite.

    Parameters
    ----------
    normalizer
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists what it breaks: values of the input's shape, float32, in [0, 1] and finite; `non_finite`,
        `centre`, `vmin` and `vmax` as described there; the same result for the same values, whatever came
        before and however they lie in memory; an input that stays as it was; no warnings, no output and no
        files; pickling; options.
    """
    subject = subject_of("normalizer", normalizer, "normalize")
    findings, copy = subject.findings, pickled(subject)
    tried: dict[str, tuple[Array, Normalized]] = {}
    with writes_nothing(findings):
        for name, values in trial_weights():
            before = values.tobytes()
            done = findings.attempt(name, partial(subject.wrapped.normalize, values))
            findings.hold(values.tobytes() == before, "changes its input", name)
            if done is None:
                continue
            tried[name] = values, done
            _check_result(findings, done, values, name)
            if not values.flags.c_contiguous:
                compact = findings.attempt(name, partial(subject.wrapped.normalize, values.copy(order="C")))
                near = compact is None or np.allclose(done.values, compact.values, atol=CLOSE)
                findings.hold(
                    near, "gives another result where the same values lie in memory otherwise", name
                )
        _check_writable(findings, subject.inner)
        check_repeats(findings, subject.wrapped, copy, tried, _normalized, _differs)
    findings.conclude()


def _check_result(findings: Findings, done: Normalized, values: Array, name: str) -> None:
    dtype = done.values.dtype
    findings.hold(dtype == np.float32, f"returned values of type {dtype}; a sheet holds float32", name)
    count = int(values.size - np.count_nonzero(np.isfinite(values)))
    said = f"says non_finite={done.non_finite}, and {count} of the values are not finite"
    findings.hold(done.non_finite == count, said, name)
    findings.hold(isinstance(done.summary, str), "has a summary that is no text", name)
    ends = (done.vmin, done.vmax)
    findings.hold((done.vmin is None) == (done.vmax is None), "says only one of vmin and vmax", name)
    if None not in ends:
        fine = bool(np.isfinite(np.array(ends, float)).all()) and ends[0] <= ends[1]  # type: ignore[operator]
        findings.hold(fine, f"says vmin={done.vmin} and vmax={done.vmax}, which is no range", name)
    if done.centre is not None:
        findings.hold(0 <= done.centre <= 1, f"says centre={done.centre}, which is outside [0, 1]", name)
        zeros = done.values[values == 0]
        fine = not zeros.size or bool(abs(zeros - done.centre).max() <= CLOSE)
        findings.hold(fine, "says that zero lies at `centre`, and puts it elsewhere", name)


def _normalized(normalizer: Normalizer, values: Array) -> Normalized:
    return normalizer.normalize(values)


def _differs(one: Normalized, other: Normalized) -> str:
    def rest(done: Normalized) -> tuple[Any, ...]:
        return done.vmin, done.vmax, done.centre, done.non_finite, done.summary

    same = np.array_equal(one.values, other.values) and repr(rest(one)) == repr(rest(other))
    return "" if same else "gives another result"


def _check_writable(findings: Findings, normalizer: Normalizer) -> None:
    """What is handed to it in a notebook, without filterkit in between, can be written to."""
    values = np.linspace(-1, 1, 18, dtype=np.float32).reshape(2, 1, 3, 3)
    before = values.copy()
    findings.attempt("an input that could be written to", lambda: normalizer.normalize(values))
    findings.hold(np.array_equal(values, before), "changes its input", "an input that could be written to")
