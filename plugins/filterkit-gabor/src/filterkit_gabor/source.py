"""The model source ``gabor``: writes a bank of Gabor filters as an ONNX model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filterkit
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from filterkit_gabor.bank import Phase, gabor_filters

PHASES: dict[str, tuple[Phase, ...]] = {"even": ("even",), "odd": ("odd",), "both": ("even", "odd")}


@dataclass(frozen=True)
class GaborOptions:
    """The options of ``gabor:?…``.

    Attributes
    ----------
    orientations
        Number of orientations, evenly spaced over 180°.
    frequencies
        In cycles per pixel, each above 0 and below 0.5, where a sine vanishes; one layer each.
    size
        Height and width of the filters in pixels, odd.
    phase
        ``even`` (lines), ``odd`` (edges) or ``both`` (two layers per frequency).

    `str` gives the text that `parse` reads.
    """

    orientations: int = 8
    frequencies: tuple[float, ...] = (0.1, 0.2)
    size: int = 15
    phase: str = "even"

    @classmethod
    def parse(cls, ref: str) -> GaborOptions:
        """Parse ``?orientations=8&frequencies=0.1,0.2&size=15&phase=both``; all options have defaults.

        Raises
        ------
        filterkit.UsageError
            If an option does not exist or its value is invalid.
        """
        name, given = filterkit.split_options(ref)
        if name:
            raise filterkit.UsageError(
                f"gabor takes only options, not '{name}'", hint="write gabor:?orientations=8&size=15"
            )
        values: dict[str, object] = {}
        for key, text in given.items():
            if key not in _READERS:
                raise filterkit.UsageError(
                    f"gabor has no option '{key}'", hint=f"options: {', '.join(_READERS)}"
                )
            try:
                values[key] = _READERS[key](text)
            except ValueError as error:
                raise filterkit.UsageError(f"invalid option {key}={text} of gabor", hint=str(error)) from None
        return cls(**values)  # type: ignore[arg-type]

    def __str__(self) -> str:
        frequencies = ",".join(map(str, self.frequencies))
        return (
            f"orientations={self.orientations}&frequencies={frequencies}&size={self.size}&phase={self.phase}"
        )


def _orientations(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 180):
        raise ValueError("orientations must be a whole number from 1 to 180")
    return int(text)


def _frequencies(text: str) -> tuple[float, ...]:
    advice = "frequencies must be distinct, above 0 and below 0.5 cycles per pixel: frequencies=0.1,0.2"
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(advice) from None
    if len(set(values)) < len(values) or not all(0 < value < 0.5 for value in values):
        raise ValueError(advice)
    return values


def _size(text: str) -> int:
    if not (text.isdecimal() and 3 <= int(text) <= 255 and int(text) % 2):
        raise ValueError("size must be an odd number of pixels from 3 to 255")
    return int(text)


def _phase(text: str) -> str:
    if text not in PHASES:
        raise ValueError(f"phase must be one of {', '.join(PHASES)}")
    return text


_READERS: dict[str, Callable[[str], object]] = {
    "orientations": _orientations,
    "frequencies": _frequencies,
    "size": _size,
    "phase": _phase,
}


class GaborSource:
    """Writes Gabor filters as convolutions on a gray picture of any size."""

    scheme = "gabor"

    def fetch(
        self, ref: str, workdir: Path, progress: Callable[[str, int, int | None], None]
    ) -> filterkit.FetchedModel:
        """Write the model that `ref` describes; see `GaborOptions`.

        Raises
        ------
        filterkit.UsageError
            If `ref` is invalid.
        """
        options = GaborOptions.parse(ref)
        angles = np.arange(options.orientations) * np.pi / options.orientations
        banks: dict[str, NDArray[np.float32]] = {}
        labels: dict[str, list[str]] = {}
        for frequency in options.frequencies:
            for phase in PHASES[options.phase]:
                layer = f"{phase}_{frequency}"
                banks[layer] = gabor_filters(frequency, angles, options.size, phase)
                labels[layer] = [f"{math.degrees(angle):g}° f={_digits(frequency)}" for angle in angles]
        path = workdir / "gabor.onnx"
        path.write_bytes(build_model(banks).SerializeToString(deterministic=True))
        return filterkit.FetchedModel(
            onnx_path=path,
            origin=f"gabor:?{options}",
            preprocessing=filterkit.Preprocessing(channel_order="GRAY", layout="NCHW", scale=1 / 255),
            layer_names={layer: layer for layer in banks},
            license="public domain (values of a formula)",
            filter_labels=labels,
        )


def _digits(frequency: float) -> str:
    """At least two decimals."""
    return max(f"{frequency:.2f}", str(frequency), key=len)


def build_model(banks: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """One Conv node per bank, side by side on one gray input; N, H and W are free.

    Parameters
    ----------
    banks
        From layer name to filters of shape (n, size, size).

    Returns
    -------
    onnx.ModelProto
        Input ``gray`` (N, 1, H, W); per layer an output of its name, shape (N, n, H, W).
    """
    nodes, weights, outputs = [], [], []
    for layer, filters in banks.items():
        count, size, _ = filters.shape
        weights.append(numpy_helper.from_array(filters[:, np.newaxis], f"{layer}_weights"))
        nodes.append(
            helper.make_node(
                "Conv",
                ["gray", f"{layer}_weights"],
                [layer],
                name=layer,
                kernel_shape=[size, size],
                pads=[size // 2] * 4,
            )
        )
        outputs.append(helper.make_tensor_value_info(layer, TensorProto.FLOAT, ("N", count, "H", "W")))
    gray = helper.make_tensor_value_info("gray", TensorProto.FLOAT, ("N", 1, "H", "W"))
    graph = helper.make_graph(nodes, "gabor", [gray], outputs, weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="filterkit-gabor"
    )
