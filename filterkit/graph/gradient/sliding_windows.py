"""How convolutions and poolings slide over their inputs, and the reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filterkit.geometry import product, same_pad
from filterkit.graph.gradient.backward import Backward

MOST_TAPS = 2**24
"""Positions of a window, of which a pooling may state any number."""


class Axis(NamedTuple):
    """One spatial axis of a sliding window.

    Attributes
    ----------
    size, outputs
        Positions of the input, and of the windows.
    before
        How far the first window begins before the input.
    """

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    before: int

    @property
    def spread(self) -> int:
        """Distance between the first and the last tap."""
        return self.dilation * (self.kernel - 1)

    @property
    def after(self) -> int:
        """How far the last window ends after the input; negative if positions at the end are not read."""
        return self.stride * (self.outputs - 1) + self.spread + 1 - self.before - self.size


@dataclass(frozen=True)
class Windows:
    """A sliding window over all spatial axes.

    Attributes
    ----------
    after
        Padding after the input; with ceil_mode, windows may reach further.
    """

    axes: tuple[Axis, ...]
    after: tuple[int, ...]

    def transposed(
        self,
        step: Backward,
        tensor: str,
        weights: str,
        *,
        group: int = 1,
        flipped: Callable[[], str] | None = None,
    ) -> str:
        """The transposed convolution: adds the value of each window to all positions that it reads.

        For stride 1 that is a convolution with flipped, transposed weights, which is faster.

        Parameters
        ----------
        tensor
            Shape (N, M, *outputs).
        weights
            Shape (M, C / group, *kernel).
        flipped
            Adds nodes that flip and transpose the weights; None if this changes nothing.

        Returns
        -------
        str
            Shape (N, C, *size).
        """
        kernel = [axis.kernel for axis in self.axes]
        dilations = [axis.dilation for axis in self.axes]
        before = [axis.before for axis in self.axes]
        pads = [axis.spread - axis.before for axis in self.axes] + [
            axis.spread - axis.after for axis in self.axes
        ]
        if all(axis.stride == 1 for axis in self.axes) and min(pads) >= 0:
            back = flipped() if flipped else weights
            return step.op(
                "Conv", tensor, back, kernel_shape=kernel, dilations=dilations, group=group, pads=pads
            )
        return step.op(
            "ConvTranspose",
            tensor,
            weights,
            kernel_shape=kernel,
            dilations=dilations,
            group=group,
            strides=[axis.stride for axis in self.axes],
            pads=before + [max(axis.after, 0) for axis in self.axes],
            output_padding=[max(-axis.after, 0) for axis in self.axes],
        )

    def counts(self, *, with_pads: bool) -> Iterator[NDArray[np.int64]]:
        """How many positions each window averages along each axis, at least 1, shape (outputs,)."""
        for axis, after in zip(self.axes, self.after, strict=True):
            first, end = (-axis.before, axis.size + after) if with_pads else (0, axis.size)
            taps = np.arange(axis.outputs)[:, None] * axis.stride - axis.before
            taps = taps + np.arange(axis.kernel) * axis.dilation
            yield np.maximum(((taps >= first) & (taps < end)).sum(axis=1), 1)


def windows_of(step: Backward, kernel: Sequence[int]) -> Windows:
    """The windows of a node like Conv or MaxPool, with inputs and outputs N C and spatial axes."""
    if product(kernel, MOST_TAPS) > MOST_TAPS:
        raise step.unsupported("its window is too large")
    given, sizes = step.attributes, step.shape()[2:]
    strides = given.get("strides") or [1] * len(sizes)
    dilations = given.get("dilations") or [1] * len(sizes)
    pads = list(given.get("pads") or [0] * (2 * len(sizes)))
    auto = given.get("auto_pad", "NOTSET")
    if auto == "VALID":
        pads = [0] * len(pads)
    elif auto.startswith("SAME"):
        pads = [*_same_pads(sizes, kernel, strides, dilations, auto), *pads[len(sizes) :]]
    each = zip(sizes, step.output_shape()[2:], kernel, strides, dilations, pads, strict=False)
    axes = tuple(Axis(*values) for values in each)
    after = pads[len(sizes) :]
    if auto.startswith("SAME"):
        after = [max(axis.after, 0) for axis in axes]
    return Windows(axes, tuple(after))


def _same_pads(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], auto: str
) -> Iterator[int]:
    for size, taps, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        yield same_pad(size, taps, stride, dilation, upper=auto == "SAME_UPPER")
