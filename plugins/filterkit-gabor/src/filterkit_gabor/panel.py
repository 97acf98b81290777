"""The panel ``gabor``: a filter or kernel, the Gabor function nearest to it, and what that leaves over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import filterkit
import numpy as np
from numpy.typing import NDArray

from filterkit_gabor.fitting import fit_gabors
from filterkit_gabor.metric import SMALLEST_VARIATION, fitted_shape, pattern

Array = NDArray[np.float64]

MEANINGS = {
    "orientation": "degrees, 0 to 180: the direction of the wave, counter-clockwise from the x axis",
    "frequency": "cycles per pixel",
    "phase": "degrees at the centre of the window: 0 is a bright line, 180 a dark one, 90 and -90 are edges",
    "sigma": "pixels: the width of the window",
    "x": "pixels from the middle to the right: the centre of the window",
    "y": "pixels from the middle upwards",
    "explained": "share of the variance that the function explains, 0 to 1",
}


class GaborPanel:
    """The fit of `GaborMetric`, drawn over and beside what it is fitted to, with its parameters.

    Of a filter that reads a picture, this is the pattern that its kernels have in common, else its kernel
    with the largest variance.
    """

    title = "Gabor function"
    kinds: tuple[Literal["filter", "kernel"], ...] = ("filter", "kernel")

    def show(
        self, bench: filterkit.Workbench, address: str, options: Mapping[str, str]
    ) -> filterkit.PanelContent | None:
        """The fit; None for kernels that the metric cannot fit."""
        values = _pattern(bench, address)
        if values is None:
            return None
        fit = fit_gabors(values[None])
        found = {name: float(getattr(fit, name)[0]) for name in MEANINGS}
        pictures = {"kernel": values, "fit": fit.function[0], "residual": values - fit.function[0]}
        scale = np.abs(list(pictures.values())).max()
        return filterkit.PanelContent(
            [{"parameter": name, "value": found[name], "meaning": MEANINGS[name]} for name in MEANINGS],
            sheets={name: _sheet(picture / scale) for name, picture in pictures.items()},
            template="filterkit_gabor:gabor.html",
            values=outline(found, *values.shape),
        )


def _pattern(bench: filterkit.Workbench, address: str) -> Array | None:
    """What is fitted, with mean 0; None for kernels of other shapes, constant or not finite ones."""
    model, layer, *numbers = address.split("/")
    reads = bench.filters(f"{model}/{layer}/{numbers[0]}", columns=("address", "layer.input_channels"))
    weights = bench.bank(address)
    shape = fitted_shape(weights.shape[2:])
    if shape is None:
        return None
    weights = weights.reshape(1, -1, *shape).astype(np.float64)
    largest = np.abs(weights).max()
    if not np.isfinite(largest) or largest == 0:
        return None
    found = pattern(weights / largest, len(numbers) == 1 and bool(reads[0]["layer.input_channels"]))[0]
    return found * largest if found.std() > SMALLEST_VARIATION else None


def _sheet(values: Array) -> filterkit.TileSheet:
    """A picture of values from -1, black, to 1, white."""
    return filterkit.TileSheet(((values + 1) / 2).clip(0, 1).astype(np.float32)[None, None], count=1)


def outline(found: Mapping[str, float], height: int, width: int) -> dict[str, Any]:
    """Lines along the crests and troughs of the wave, up to 3 σ from the centre, and a circle at 2 σ.

    Coordinates are pixels of the kernel from its upper left corner, y downwards.
    """
    angle = np.radians(found["orientation"])
    along, across = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
    centre = np.array([found["x"] + width / 2, height / 2 - found["y"]])
    reach = 3 * found["sigma"]

    def lines(phase: float) -> Iterator[list[float]]:
        first = -(phase / 360) % 1
        for number in range(-int(reach * found["frequency"]) - 2, int(reach * found["frequency"]) + 2):
            distance = (first + number) / found["frequency"]
            if abs(distance) < reach:
                half = np.sqrt(reach**2 - distance**2)
                ends = (centre + distance * along + sign * half * across for sign in (-1, 1))
                yield [round(float(each), 3) for end in ends for each in end]

    return {
        "size": (height, width),
        "centre": [round(float(each), 3) for each in centre],
        "radius": round(2 * found["sigma"], 3),
        "crests": list(lines(found["phase"])),
        "troughs": list(lines(found["phase"] + 180)),
    }
