"""In which order the axes of a file's weights lie: OIHW (PyTorch), HWIO (TensorFlow, Flax) or OHWI (MLX)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filterkit.sources.stored_array import StoredArray

LAYOUTS = ("OIHW", "HWIO", "OHWI")

LARGEST_USUAL = 31
"""Kernels with longer axes are rare, channels of such numbers are not."""

MUCH = 2.0
"""By how much, as a logarithm, each kernel is larger in an order that is not meant, all else being equal."""

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
    if chosen != usual and scores[usual] >= scores[chosen] - 1:
        return chosen, not (
            chosen == "HWIO" and scores[usual] < scores[chosen] and all(map(_is_named, kernels))
        )
    # Of two orders that explain as much, one of much larger kernels is not meant.
    larger = {layout: sizes[layout] - sizes[chosen] for layout in LAYOUTS if layout != chosen}
    equal = [layout for layout in larger if scores[layout] == scores[chosen]]
    return chosen, any(larger[layout] < MUCH * len(kernels) for layout in equal)


def _is_named(kernel: StoredArray) -> bool:
    """Whether it goes by the name that TensorFlow and Flax give to kernels."""
    return kernel.name.partition(":")[0].endswith("kernel")


def _score(kernels: Sequence[StoredArray], bias: Callable[[StoredArray], int | None], layout: str) -> int:
    outputs = {channels(kernel.shape, layout)[0] for kernel in kernels}
    score = 0
    for kernel in kernels:
        made, read = channels(kernel.shape, layout)
        window = kernel_of(kernel.shape, layout)
        if max(window) <= LARGEST_USUAL and (len({*window, 1}) <= 2 or len(window) == 3):
            flat = len(window) == 3 and window[0] <= max(window[1:])  # as those of films are
            score += 2 if len(set(window)) == 1 or flat else 1
            # Of a signal, 3 and 4 are lengths of kernels rather than channels.
            score += read in outputs or read in (PICTURES[:2] if len(window) == 1 else PICTURES)
        score += layout == "HWIO" and _is_named(kernel)
        length = bias(kernel)
        if length is not None:
            score += 2 if length in (made, read) else -2
    return score


def _size(kernels: Sequence[StoredArray], layout: str) -> float:
    return sum(math.log(max(size, 1)) for kernel in kernels for size in kernel_of(kernel.shape, layout))
