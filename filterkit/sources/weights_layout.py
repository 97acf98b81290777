"""Detect the axis order of weights: OIHW (PyTorch), HWIO (TensorFlow, Flax) or OHWI (MLX)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

LAYOUTS = ("OIHW", "HWIO", "OHWI")

LARGEST_USUAL = 31
"""Longer kernel sides are rare, while such numbers of channels are common."""

MUCH = 2.0
"""Between orders of equal score, one is ruled out whose kernels are larger by this log factor on average."""

PICTURES = (1, 2, 3, 4)
"""Numbers of input channels of the network itself."""


def channels(shape: Sequence[int], layout: str) -> tuple[int, int]:
    """Output and input channels of a kernel; swapped for a transposed one."""
    return {"OIHW": (shape[0], shape[1]), "HWIO": (shape[-1], shape[-2]), "OHWI": (shape[0], shape[-1])}[
        layout
    ]


def kernel_of(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    """The spatial shape of a kernel."""
    return tuple({"OIHW": shape[2:], "HWIO": shape[:-2], "OHWI": shape[1:-1]}[layout])


def find_layout(
    kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], usual: str
) -> tuple[str, bool]:
    """The axis order that best explains a file, and whether another one is about as plausible.

    The score of an order sums over all kernels: whether the kernel is small, and square rather than a line;
    whether its inputs match the outputs of some layer or the channels of a picture; whether its bias has one
    value per output (or per input, for a transposed convolution); and whether it is named ``kernel``, as in
    TensorFlow and Flax.

    Parameters
    ----------
    bias
        Returns the length of the bias whose name matches a kernel's, or None.
    usual
        The order that wins a tie.
    """
    scores = {layout: _score(kernels, bias, layout) for layout in LAYOUTS}
    sizes = {layout: _size(kernels, layout) for layout in LAYOUTS}
    chosen = max(LAYOUTS, key=lambda layout: (scores[layout], layout == usual, -sizes[layout]))
    if chosen != usual and scores[usual] >= scores[chosen] - 1:
        return chosen, not (
            chosen == "HWIO" and scores[usual] < scores[chosen] and all(map(_is_named, kernels))
        )
    # Between orders of equal score, one with much larger kernels is implausible.
    larger = {layout: sizes[layout] - sizes[chosen] for layout in LAYOUTS if layout != chosen}
    equal = [layout for layout in larger if scores[layout] == scores[chosen]]
    return chosen, any(larger[layout] < MUCH * len(kernels) for layout in equal)


def _is_named(kernel: StoredArray) -> bool:
    """Whether it is named as TensorFlow and Flax name kernels."""
    return kernel.name.partition(":")[0].endswith("kernel")


def _score(kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], layout: str) -> int:
    outputs = {channels(kernel.shape, layout)[0] for kernel in kernels}
    score = 0
    for kernel in kernels:
        made, read = channels(kernel.shape, layout)
        window = kernel_of(kernel.shape, layout)
        if max(window) <= LARGEST_USUAL and (len({*window, 1}) <= 2 or len(window) == 3):
            flat = len(window) == 3 and window[0] <= max(window[1:])  # as in video networks
            score += 2 if len(set(window)) == 1 or flat else 1
            # In 1-D, 3 and 4 are kernel lengths rather than channels.
            score += read in outputs or read in (PICTURES[:2] if len(window) == 1 else PICTURES)
        score += layout == "HWIO" and _is_named(kernel)
        length = bias(kernel)
        if length is not None:
            score += 2 if length in (made, read) else -2
    return score


def _size(kernels: Sequence[StoredArray], layout: str) -> float:
    return sum(math.log(max(size, 1)) for kernel in kernels for size in kernel_of(kernel.shape, layout))
