"""In which order the axes of a file's weights lie: OIHW (PyTorch), HWIO (TensorFlow, Flax) or OHWI (MLX)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.sources.stored_arrays import StoredArray

LAYOUTS = ("OIHW", "HWIO", "OHWI")

LARGEST_USUAL = 31
"""Kernels with longer axes are rare, channels of such numbers are not."""

MUCH = 2.0
"""By how much, as a logarithm, kernels are larger in one order than in another for the reader to be asked."""

PICTURES = (1, 2, 3, 4)
"""Channels that come from outside, and not from another layer."""


def channels(shape: Sequence[int], layout: str) -> tuple[int, int]:
    """Output and input channels of a kernel; of a transposed one, the other way round."""
    return {"OIHW": (shape[0], shape[1]), "HWIO": (shape[-1], shape[-2]), "OHWI": (shape[0], shape[-1])}[
        layout
    ]


def kernel_of(shape: Sequence[int], layout: str) -> tuple[int, ...]:
    """The axes of a kernel that are neither inputs nor outputs."""
    return tuple({"OIHW": shape[2:], "HWIO": shape[:-2], "OHWI": shape[1:-1]}[layout])


def find_layout(
    kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], usual: str
) -> tuple[str, bool]:
    """The order that explains most of a file, and whether another one explains it about as well.

    Of every kernel it counts whether it is small, and square rather than a line, whether its inputs are then
    some layer's outputs or a picture's channels, whether the bias that goes by its name has a value per
    output (or per input, for a transposed convolution), and whether it is called ``kernel``, as in TensorFlow
    and Flax.

    Parameters
    ----------
    bias
        Length of the bias that goes by a kernel's name, None where there is none.
    usual
        The order that wins where nothing speaks for another one.
    """
    scores = {layout: _score(kernels, bias, layout) for layout in LAYOUTS}
    sizes = {layout: _size(kernels, layout) for layout in LAYOUTS}
    chosen = max(LAYOUTS, key=lambda layout: (scores[layout], layout == usual, -sizes[layout]))
    if chosen != usual:
        return chosen, scores[usual] >= scores[chosen] - 1
    others = [layout for layout in LAYOUTS if layout != usual and scores[layout] == scores[usual]]
    return chosen, any(sizes[usual] - sizes[layout] > MUCH * len(kernels) for layout in others)


def _score(kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], layout: str) -> int:
    outputs = {channels(kernel.shape, layout)[0] for kernel in kernels}
    score = 0
    for kernel in kernels:
        made, read = channels(kernel.shape, layout)
        window = kernel_of(kernel.shape, layout)
        if max(window) <= LARGEST_USUAL and (len({*window, 1}) <= 2 or len(window) == 3):
            score += 2 if len(set(window)) == 1 or len(window) == 3 else 1
            score += read in PICTURES or read in outputs
        score += layout == "HWIO" and kernel.name.partition(":")[0].endswith("kernel")
        length = bias(kernel)
        if length is not None:
            score += 2 if length in (made, read) else -2
    return score


def _size(kernels: Sequence[StoredArray], layout: str) -> float:
    return sum(math.log(max(size, 1)) for kernel in kernels for size in kernel_of(kernel.shape, layout))
