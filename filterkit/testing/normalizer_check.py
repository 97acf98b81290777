"""Conformance check for normalizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from filterkit.plugins.protocols import Normalizer
from filterkit.records import Normalized
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of
from filterkit.testing.trial_banks import Array, trial_weights

CLOSE = 1e-3
"""Tolerance between a normalized zero and `centre`: a quarter of a gray level, which allows for float16."""


def check_normalizer(normalizer: Normalizer | Callable[[], Normalizer]) -> None:
    """Check a normalizer with weights of all shapes and dtypes, including empty and non-finite ones.

    Parameters
    ----------
    normalizer
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists all violations. Values must have the shape of the input, and be float32, finite and in [0, 1];
        `non_finite`, `centre`, `vmin` and `vmax` must be as documented; the same values must give the same
        result, in any order and memory layout; the input must not be modified; no warnings, output or files;
        it must be picklable and its options must be valid.
    """
    subject = subject_of("normalizer", normalizer, "normalize")
    findings, copy = subject.findings, pickled(subject)
    tried: dict[str, tuple[Array, Normalized]] = {}
    with writes_nothing(findings):
        for name, values in trial_weights():
            before = values.tobytes()
            done = findings.attempt(name, partial(subject.wrapped.normalize, values))
            findings.require(values.tobytes() == before, "modifies its input", name)
            if done is None:
                continue
            tried[name] = values, done
            _check_result(findings, done, values, name)
            if not values.flags.c_contiguous:
                compact = findings.attempt(name, partial(subject.wrapped.normalize, values.copy(order="C")))
                near = compact is None or np.allclose(done.values, compact.values, atol=CLOSE)
                findings.require(near, "returns a different result for another memory layout", name)
        _check_writable(findings, subject.inner)
        check_repeats(findings, subject.wrapped, copy, tried, _normalized, _differs)
    findings.conclude()


def _check_result(findings: Findings, done: Normalized, values: Array, name: str) -> None:
    dtype = done.values.dtype
    findings.require(dtype == np.float32, f"returned values of type {dtype}; sheets require float32", name)
    count = int(values.size - np.count_nonzero(np.isfinite(values)))
    problem = f"returned non_finite={done.non_finite}, but {count} values are not finite"
    findings.require(done.non_finite == count, problem, name)
    findings.require(isinstance(done.summary, str), "returned a summary that is not a string", name)
    ends = (done.vmin, done.vmax)
    findings.require((done.vmin is None) == (done.vmax is None), "returned only one of vmin and vmax", name)
    if None not in ends:
        fine = bool(np.isfinite(np.array(ends, float)).all()) and ends[0] <= ends[1]  # type: ignore[operator]
        findings.require(fine, f"returned vmin={done.vmin} and vmax={done.vmax}, which is not a range", name)
    if done.centre is not None:
        findings.require(
            0 <= done.centre <= 1, f"returned centre={done.centre}, which is outside [0, 1]", name
        )
        zeros = done.values[values == 0]
        fine = not zeros.size or bool(abs(zeros - done.centre).max() <= CLOSE)
        findings.require(fine, "maps zero to a value other than `centre`", name)


def _normalized(normalizer: Normalizer, values: Array) -> Normalized:
    return normalizer.normalize(values)


def _differs(one: Normalized, other: Normalized) -> str:
    def rest(done: Normalized) -> tuple[Any, ...]:
        return done.vmin, done.vmax, done.centre, done.non_finite, done.summary

    same = np.array_equal(one.values, other.values) and repr(rest(one)) == repr(rest(other))
    return "" if same else "returns a different result"


def _check_writable(findings: Findings, normalizer: Normalizer) -> None:
    """Call it without the wrapper, as in a notebook, so that its input is writable."""
    values = np.linspace(-1, 1, 18, dtype=np.float32).reshape(2, 1, 3, 3)
    before = values.copy()
    findings.attempt("a writable input", lambda: normalizer.normalize(values))
    findings.require(np.array_equal(values, before), "modifies its input", "a writable input")
