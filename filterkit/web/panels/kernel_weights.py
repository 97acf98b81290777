"""The panel of the numbers of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

MOST_VALUES = 1024
"""Kernels with more values are not shown as numbers."""


class KernelWeights:
    """The weights of a kernel, their extremes, mean and norm."""

    title = "Weights"
    kinds: tuple[PanelKind, ...] = ("kernel",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """Statistics and all values of a kernel."""
        weights = bench.bank(address)[0, 0]
        about = numbers(address, weights)
        table = _as_table(weights) if weights.size <= MOST_VALUES else None
        values = {"about": about, "table": table}
        return PanelContent([about], template="filterkit.web:panels/weights.html", values=values)


def numbers(address: str, weights: Any) -> dict[str, Any]:
    """What the page of a kernel has as data."""
    return {
        "address": address,
        "shape": list(weights.shape),
        "min": float(weights.min()),
        "max": float(weights.max()),
        "mean": float(weights.mean()),
        "l2_norm": float((weights.astype("float64") ** 2).sum() ** 0.5),
        "values": weights.tolist(),
    }


def _as_table(weights: Any) -> list[list[list[float]]]:
    """The values of a kernel as slices of lines: one slice if it has two dimensions, one line if one."""
    return weights.reshape(-1, *(1, 1, *weights.shape)[-2:]).tolist()  # type: ignore[no-any-return]
