"""The panel of the frequency response of a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from filterkit.plugins.protocols import PanelContent, PanelKind

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

WIDTH, HEIGHT = 400, 120
"""Of the drawn part of the curve of a 1-D kernel, in its own units."""

AXES = ("z", "y", "x")


class FrequencyResponse:
    """The magnitude of the Fourier transform: a curve, a picture, or slices of a volume."""

    title = "Frequency response"
    kinds: tuple[PanelKind, ...] = ("kernel",)
    narrow = True

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent:
        """What the kernel lets through."""
        found = bench.frequency_response(address)[0, 0]
        names, half = AXES[-found.ndim :], found.shape[0] // 2
        largest = float(found.max())
        strongest = [
            {"axis": name, "frequency": abs(int(place) - half) / (2 * half)}
            for name, place in zip(names, _place(found), strict=True)
        ]
        values: dict[str, Any] = {"dimensions": found.ndim, "largest": largest, "strongest": strongest}
        if found.ndim == 1:
            values |= {"curve": _curve(found[half:].tolist(), largest), "width": WIDTH, "height": HEIGHT}
        return PanelContent(
            _rows(found, names), template="filterkit.web:panels/frequency.html", values=values
        )


def _place(found: Any) -> tuple[int, ...]:
    """Where the largest value is."""
    number, place = int(found.argmax()), []
    for side in reversed(found.shape):
        number, rest = divmod(number, side)
        place.append(rest)
    return tuple(reversed(place))


def _rows(found: Any, names: tuple[str, ...]) -> list[Row]:
    """One row per frequency, in cycles per value; of a volume, those of its first central slice."""
    if found.ndim == 3:
        found, names = found[found.shape[0] // 2], names[1:]
    half = found.shape[0] // 2
    lines = found.reshape(-1, found.shape[-1]).tolist()
    rows: list[Row] = []
    for number, line in enumerate(lines):
        for place, value in enumerate(line):
            at = (number, place)[-len(names) :]
            frequencies = {
                f"frequency_{name}": (each - half) / (2 * half) for name, each in zip(names, at, strict=True)
            }
            rows.append({**frequencies, "magnitude": value})
    return rows


def _curve(values: list[float], largest: float) -> str:
    """The points of a line from frequency zero to ½."""
    step = WIDTH / max(len(values) - 1, 1)
    high = largest or 1.0
    return " ".join(
        f"{number * step:.1f},{HEIGHT * (1 - value / high):.1f}" for number, value in enumerate(values)
    )
