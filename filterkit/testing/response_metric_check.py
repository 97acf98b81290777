"""Conformance check for response metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.plugins.protocols import ResponseMetric
from filterkit.testing.findings import writes_nothing
from filterkit.testing.metric_check import check_names
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Maps = NDArray[np.float32]

FILTERS = 3

CLOSE = 1e-6
"""Relative difference that sums in another order may make."""


def trial_maps() -> Iterator[tuple[str, Maps]]:
    """Names and feature maps of `FILTERS` filters, shape (pictures, filters, *spatial)."""
    random = np.random.default_rng(0)
    normal = random.normal(1, 2, (4, FILTERS, 5, 6)).astype(np.float32)
    yield "usual maps", normal
    yield "maps of a ReLU", np.maximum(normal, 0)
    yield "one picture", normal[:1]
    yield "maps of another size", random.normal(1, 2, (2, FILTERS, 3, 3)).astype(np.float32)
    yield "maps of one position", normal[:, :, :1, :1]
    yield "1-D maps", normal[:, :, 0]
    yield "3-D maps", normal[:, :, None]
    yield "maps with channels last", np.ascontiguousarray(normal.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    yield "maps of zeros", np.zeros_like(normal)
    yield "constant maps", np.full_like(normal, -2)
    yield "tiny values", normal * np.float32(1e-30)
    yield "huge values", normal * np.float32(1e15)


def check_response_metric(metric: ResponseMetric | Callable[[], ResponseMetric]) -> None:
    """Check a response metric with maps of all shapes, also constant ones and huge values.

    Parameters
    ----------
    metric
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists all violations. Columns must be as declared, with names that are not taken; a summary must be
        arrays of finite numbers whose names, dtypes and shapes are the same for all maps; merged summaries
        must give the values of all maps at once, in any order; one number per filter; the same values for the
        same maps; maps and summaries must not be modified; no warnings, output or files; it must be picklable
        and its options must be valid.
    """
    subject = subject_of("response-metric", metric, "summarize")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    findings.require(bool(wrapped.columns), "declares no columns")
    check_names(subject, wrapped.columns)
    tried: dict[str, tuple[Maps, Any]] = {}
    with writes_nothing(findings):
        usual = dict(trial_maps())["usual maps"]
        first = findings.attempt("usual maps", partial(wrapped.summarize, usual))
        for name, maps in trial_maps() if first is not None else ():
            before = maps.tobytes()
            values = findings.attempt(name, partial(_values, wrapped, maps))
            findings.require(maps.tobytes() == before, "modifies the maps", name)
            both = findings.attempt(name, partial(_merged, wrapped, usual, maps))
            if values is not None and both is not None:
                tried[name] = maps, values
                same = name == "huge values" or _is_close(*both)
                findings.require(
                    same, "gives other values if two summaries are merged in another order", name
                )
        if tried and not findings:
            parts = [usual[:1], usual[1:3], usual[3:]]
            for order, when in ((parts, "one after the other"), (parts[::-1], "in another order")):
                both = findings.attempt("usual maps", partial(_merged, wrapped, *order))
                if both is not None:
                    same = _is_close(both[0], tried["usual maps"][1])
                    findings.require(same, f"gives other values if pictures are merged {when}")
        check_repeats(findings, wrapped, copy, tried, _values, _differs)
    findings.conclude()


def _values(wrapped: Any, maps: Maps) -> dict[str, Any]:
    found: dict[str, Any] = wrapped.values(wrapped.summarize(maps), maps.shape[1])
    return found


def _merged(wrapped: Any, *parts: Maps) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of all parts, merged from the left, and from the right."""
    left, *others = map(wrapped.summarize, parts)
    for each in others:
        left = wrapped.merge(left, each)
    *others, right = map(wrapped.summarize, parts)
    for each in reversed(others):
        right = wrapped.merge(right, each)
    return wrapped.values(left, FILTERS), wrapped.values(right, FILTERS)


def _differs(one: dict[str, Any], other: dict[str, Any]) -> str:
    columns = [
        f"'{name}'"
        for name in one
        if not np.array_equal(one[name], other[name], equal_nan=_has_nan(one[name]))
    ]
    return f"measures {', '.join(columns)} differently" if columns else ""


def _has_nan(values: Any) -> bool:
    return bool(values.dtype.kind == "f")


def _is_close(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        np.allclose(
            one[name].astype(np.float64), other[name].astype(np.float64), CLOSE, 1e-12, equal_nan=True
        )
        for name in one
    )
