"""The pads that a transposed convolution means where it states its output's size instead."""

from __future__ import annotations

from collections.abc import Sequence
from operator import ge

from filterkit.graph.view.view import GraphView


def pads_for(
    graph: GraphView,
    tensor: str,
    wanted: Sequence[int],
    *,
    window: Sequence[int],
    strides: Sequence[int],
    output_padding: Sequence[int],
    upper: bool,
) -> tuple[int, ...] | None:
    """Begin of every axis, then end of every axis (ONNX, operator ConvTranspose).

    Parameters
    ----------
    tensor
        What the convolution reads.
    wanted
        The attribute ``output_shape``: one size per spatial axis.
    window
        Kernel sizes with their dilation.
    upper
        Whether an odd rest goes to the end (``auto_pad`` is ``"SAME_UPPER"``).

    Returns
    -------
    tuple or None
        None where the input's size is open, or the output would have to be larger than it can be.
    """
    shape = graph.shape(tensor)
    sizes = [size for size in shape[2:] if isinstance(size, int)] if shape else []
    if len(sizes) != len(window):
        return None
    made = [
        step * (size - 1) + more + wide
        for size, wide, step, more in zip(sizes, window, strides, output_padding, strict=True)
    ]
    if not all(map(ge, made, wanted)):
        return None
    total = [whole - part for whole, part in zip(made, wanted, strict=True)]
    small, large = [each // 2 for each in total], [each - each // 2 for each in total]
    return (*small, *large) if upper else (*large, *small)
