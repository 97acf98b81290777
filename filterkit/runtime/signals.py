"""Inputs in one dimension, e.g. sound, as pictures of height 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import RuntimeFailure, UsageError
from filterkit.runtime.differentiable import Entry
from filterkit.runtime.network import Network, Size
from filterkit.runtime.onnx_session import Input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

SAMPLES = 1024
"""Length of signals, where the graph does not fix it."""


def prepared_signal(network: Network, size: Size) -> tuple[Input, NDArray[Any]]:
    """The input for signals, and silence of a size, whose width is the length.

    Raises
    ------
    RuntimeFailure
        The network needs other inputs.
    UsageError
        It takes no signals of that length.
    """
    if len(network.inputs) != 1 or not network.inputs[0].dtype.startswith("float"):
        takes = ", ".join(map(str, network.inputs)) or "nothing"
        raise RuntimeFailure(
            f"this layer needs other inputs than pictures or a signal: {takes}",
            hint="choose a layer that depends on one input of floating-point numbers",
        )
    taken = network.inputs[0]
    layout, channels = signal_axes(taken.shape)
    fixed = taken.shape[layout.index("L")]
    length = size[1] if isinstance(size, tuple) else fixed if isinstance(fixed, int) else SAMPLES
    if isinstance(fixed, int) and length != fixed:
        raise UsageError(
            f"this network only takes signals of {fixed:,} samples, not {length:,}", hint="omit --size"
        )
    count = taken.shape[0]
    shape = {"N": count if isinstance(count, int) else 1, "C": channels, "L": length}
    sizes = tuple(shape[letter] for letter in layout)
    if (obstacle := network.obstacle(taken, sizes)) is not None:
        raise UsageError(
            f"a signal of {length:,} samples is too short for this network: {obstacle}",
            hint="use a larger --size, or layers closer to the input",
        )
    return taken, np.zeros(sizes, taken.dtype)


def signal_axes(shape: Sequence[Any]) -> tuple[str, int]:
    """The axes of an input for signals (N, L and perhaps C), and its number of channels."""
    if len(shape) == 2:
        return "NL", 1
    first, last = shape[1:]
    if isinstance(last, int) and not (isinstance(first, int) and first <= last):
        return "NLC", last
    return "NCL", first if isinstance(first, int) else 1


class SignalEntry(Entry):
    """The input for signals, as pictures of height 1; its layout is ``"NCL"``, ``"NLC"`` or ``"NL"``."""

    @classmethod
    def of(cls, taken: Input) -> SignalEntry:
        count = taken.shape[0]
        layout = signal_axes(taken.shape)[0]
        return cls(taken.name, layout, taken.dtype, count if isinstance(count, int) else None)

    def fed(self, pictures: FloatArray) -> NDArray[Any]:
        signals = pictures[:, :, 0]
        turned = {"NL": signals[:, 0], "NLC": signals.transpose(0, 2, 1)}.get(self.layout, signals)
        return np.ascontiguousarray(turned, dtype=self.dtype)

    def taken(self, values: NDArray[Any]) -> FloatArray:
        turned = {2: values[:, None], 3: values}[values.ndim]
        return super().taken(turned.transpose(0, 2, 1) if self.layout == "NLC" else turned)[:, :, None]
