"""The panel of how strongly a filter responds: a histogram of the pictures of an observation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

WIDTH, HEIGHT = 600, 150
"""Of the drawn part of the histogram, in its own units."""

ZERO = 1.0
"""Width of the bar around zero, in powers of two."""

TICKS = 5
"""Approximate number of values along the axis."""


class Responses:
    """A histogram of the maxima of the pictures, with the median and the 99th percentile."""

    title = "How strongly it responds"
    kinds: tuple[PanelKind, ...] = ("filter",)

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """The histogram of an observation; nothing if there is none, which another panel says."""
        if not bench.observations(address.split("/")[0]):
            return None
        found = bench.response_histogram(address, observation=options.get("observation"))
        pictures = sum(row["pictures"] for row in found)
        values = {
            "pictures": pictures,
            "observation": found.observation,
            "plot": _plot(list(found), found.quantiles)
            if any(row["high"] > row["low"] for row in found)
            else None,
            "quantiles": found.quantiles,
        }
        return PanelContent(found, template="filterkit.web:panels/responses.html", values=values)


@dataclass(frozen=True)
class _Axis:
    """Responses on a logarithmic axis, on both sides of a bar around zero.

    Attributes
    ----------
    near
        Where the bar ends; without one, where the axis begins.
    before, zero, after
        The lengths of the parts, in powers of two.
    """

    near: float
    before: float
    zero: float
    after: float

    def place(self, value: float) -> float:
        """Where a value is."""
        size = math.log2(max(abs(value) / self.near, 1.0))
        if value > self.near or (value == self.near and self.after):
            at = self.before + self.zero + size
        elif value < -self.near:
            at = self.before - size
        else:
            at = self.before + self.zero * (value / self.near + bool(self.before)) / (1 + bool(self.before))
        return round(WIDTH * at / (self.before + self.zero + self.after), 1)


def _axis(rows: Sequence[Row]) -> _Axis:
    low, high = float(rows[0]["low"]), float(rows[-1]["high"])
    around = next((row for row in rows if row["low"] <= 0 <= row["high"]), None)
    if around is not None:
        near = max(-around["low"], around["high"])
    else:
        near = (
            low
            if low > 0
            else -high
            if high < 0
            else min(abs(v) for r in rows for v in (r["low"], r["high"]))
        )
    before = math.log2(-low / near) if low < -near else 0.0
    after = math.log2(high / near) if high > near else 0.0
    return _Axis(near, before, ZERO if around is not None or (low < 0 < high) else 0.0, after)


def _plot(rows: Sequence[Row], quantiles: Mapping[str, float]) -> dict[str, Any]:
    """Bars, marks and values along the axis, in the units of the drawing."""
    axis = _axis(rows)
    most = max(row["pictures"] for row in rows)
    bars = []
    for row in rows:
        start, end = axis.place(row["low"]), axis.place(row["high"])
        height = round(HEIGHT * row["pictures"] / most, 1)
        bars.append({**row, "x": start, "width": round(max(end - start, 1.0), 1), "height": height})
    edges = sorted({value for row in rows for value in (row["low"], row["high"])})
    ticks: list[dict[str, Any]] = []
    for value in (0.0, *edges) if edges[0] <= 0 <= edges[-1] else edges:
        at = axis.place(value)
        if all(abs(at - other["x"]) >= WIDTH / (TICKS + 1) for other in ticks):
            ticks.append({"x": at, "value": value})
    marks = [{"name": name, "value": value, "x": axis.place(value)} for name, value in quantiles.items()]
    return {"width": WIDTH, "height": HEIGHT, "bars": bars, "marks": marks, "ticks": ticks, "most": most}
