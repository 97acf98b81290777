"""The contract of response metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from filterkit.plugins.checked import Checked, read_only
from filterkit.plugins.metric_contract import are_columns
from filterkit.plugins.protocols import ResponseMetric
from filterkit.plugins.report import kind_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.plugins.protocols import Summary

DTYPES = frozenset(
    ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float32", "float64")
)

LARGEST_SUMMARY = 1 << 28
"""Maximum number of bytes: it is written every minute, for every layer."""

LONGEST_NAME = 100


class CheckedResponseMetric(Checked[ResponseMetric]):
    @property
    def columns(self) -> tuple[str, ...]:
        return self.inner.columns

    @property
    def well_named(self) -> bool:
        """Whether its columns are a tuple of names that need no quotes in conditions and in SQL."""
        return are_columns(self.columns)

    def summarize(self, maps: NDArray[np.float32]) -> Summary:
        """See `ResponseMetric.summarize`; checks for arrays of finite numbers."""
        with self._blame("summarize"):
            found = self.inner.summarize(read_only(maps))
        self._require_summary(found, "summarize")
        return dict(found)

    def merge(self, one: Summary, other: Summary) -> Summary:
        """See `ResponseMetric.merge`; checks that both and the result have equal names, dtypes and shapes."""
        self._require_same(one, other, "summarize")
        with self._blame("merge"):
            found = self.inner.merge(_read_only(one), _read_only(other))
        self._require_summary(found, "merge")
        self._require_same(one, found, "merge")
        return dict(found)

    def values(self, summary: Summary, filters: int | None = None) -> dict[str, NDArray[np.generic]]:
        """See `ResponseMetric.values`; checks for the declared columns, and one number for each filter."""
        import numpy as np

        with self._blame("values"):
            found = self.inner.values(_read_only(summary))
        self._require(isinstance(found, dict), "values", f"returned {kind_of(found)}, not a dict")
        self._require(
            set(found) == set(self.columns),
            "values",
            f"returned columns {sorted(map(str, found))}, but declared {sorted(self.columns)}",
        )
        for name, array in found.items():
            fits = isinstance(array, np.ndarray) and array.dtype.kind in "fiub"
            kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else kind_of(array)
            self._require(fits, "values", f"returned {kind} for '{name}', not an array of numbers")
            fits = array.ndim == 1 and filters in (None, len(array))
            of = "" if filters is None else f" of {filters} filters"
            self._require(fits, "values", f"returned shape {array.shape} for '{name}'{of}")
        return found

    def _require_summary(self, found: Any, method: str) -> None:
        problem = summary_problem(found)
        self._require(problem is None, method, f"returned {problem}")

    def _require_same(self, one: Summary, other: Summary, method: str) -> None:
        for name in {**one, **other}:
            states = [_form(each.get(name)) for each in (one, other)]
            self._require(
                states[0] == states[1],
                method,
                f"returned {states[1]} as '{name}', but {states[0]} for other pictures of the same layer",
            )


def summary_problem(summary: Any) -> str | None:
    """What is wrong with a summary, for messages; else None."""
    import numpy as np

    if not isinstance(summary, dict):
        return f"{kind_of(summary)}, not a dict"
    for name, array in summary.items():
        if not isinstance(name, str) or not name.isidentifier() or len(name) > LONGEST_NAME:
            return f"the name {str(name)[:LONGEST_NAME]!r}, which is not an identifier"
        if not isinstance(array, np.ndarray):
            return f"{kind_of(array)} as '{name}', not an array"
        if array.dtype.str[0] == ">" or array.dtype.name not in DTYPES:
            return f"an array of {array.dtype} as '{name}'"
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"numbers that are not finite as '{name}'"
    size = sum(array.nbytes for array in summary.values())
    return (
        f"a summary of {size:,} bytes; the limit is {LARGEST_SUMMARY:,}" if size > LARGEST_SUMMARY else None
    )


def _form(array: NDArray[np.generic] | None) -> str:
    return "nothing" if array is None else f"an array of {array.dtype} and shape {array.shape}"


def _read_only(summary: Summary) -> dict[str, Any]:
    arrays: dict[str, Any] = dict(summary)
    return {name: read_only(array) for name, array in arrays.items()}
