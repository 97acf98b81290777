"""The contract of metrics of filters, of layers, or of both."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

from filterkit.plugins.checked import Checked, read_only
from filterkit.plugins.protocols import FilterMetric, LayerMetric
from filterkit.plugins.report import kind_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.records import FilterBank


LONGEST_TEXT = 1000
"""Maximum length of a string: arrays are as wide as the longest, and a sheet may show a million filters."""


class CheckedMetric(Checked[FilterMetric | LayerMetric]):
    """A metric of filters, of layers, or of both; the columns of the other are empty."""

    # Cached, as checking a protocol takes as long as measuring a small layer.
    @cached_property
    def _of_filters(self) -> FilterMetric | None:
        return self.inner if isinstance(self.inner, FilterMetric) else None

    @cached_property
    def _of_layers(self) -> LayerMetric | None:
        return self.inner if isinstance(self.inner, LayerMetric) else None

    @property
    def columns(self) -> tuple[str, ...]:
        return self._of_filters.columns if self._of_filters is not None else ()

    @property
    def layer_columns(self) -> tuple[str, ...]:
        return self._of_layers.layer_columns if self._of_layers is not None else ()

    @property
    def well_named(self) -> bool:
        """Whether its columns are tuples of names that need no quotes in conditions and in SQL."""
        return are_columns(self.columns) and are_columns(self.layer_columns)

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """See `FilterMetric.measure`; checks for the declared columns and one value per filter."""
        import numpy as np

        if self._of_filters is None:
            return {}
        with self._blame("measure"):
            measured = self._of_filters.measure(_read_only(bank))
        self._check_columns(measured, self.columns, "measure")
        for name, values in measured.items():
            fits = isinstance(values, np.ndarray) and values.dtype.kind in "fiubU"
            kind = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else kind_of(values)
            self._require(
                fits, "measure", f"returned {kind} for '{name}', not an array of numbers or strings"
            )
            fits = values.shape == (bank.out_channels,)
            self._require(
                fits, "measure", f"returned shape {values.shape} for '{name}' of {bank.out_channels} filters"
            )
            if values.dtype.kind == "U":
                most = max(map(len, values.tolist()), default=0)
                problem = (
                    f"returned a string of {most:,} characters for '{name}'; the limit is {LONGEST_TEXT:,}"
                )
                self._require(most <= LONGEST_TEXT, "measure", problem)
        return measured

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        """See `LayerMetric.measure_layer`; checks for the declared columns and one number each."""
        if self._of_layers is None:
            return {}
        with self._blame("measure_layer"):
            measured = self._of_layers.measure_layer(_read_only(bank))
        self._check_columns(measured, self.layer_columns, "measure_layer")
        for name, value in measured.items():
            self._require(
                isinstance(value, Real),
                "measure_layer",
                f"returned {kind_of(value)} for '{name}', not a number",
            )
        return {name: float(value) for name, value in measured.items()}

    def _check_columns(self, measured: Any, declared: tuple[str, ...], method: str) -> None:
        self._require(isinstance(measured, dict), method, f"returned {kind_of(measured)}, not a dict")
        self._require(
            set(measured) == set(declared),
            method,
            f"returned columns {sorted(map(str, measured))}, but declared {sorted(declared)}",
        )


def are_columns(names: Any) -> bool:
    """Whether `names` is a tuple of names that need no quotes in conditions and in SQL."""
    return isinstance(names, tuple) and all(
        isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names
    )


def _read_only(bank: FilterBank) -> FilterBank:
    bias = None if bank.bias is None else read_only(bank.bias)
    return replace(bank, weights=read_only(bank.weights), bias=bias)
