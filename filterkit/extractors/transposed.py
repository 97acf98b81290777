"""The pads of a transposed convolution that states its output size instead."""

from __future__ import annotations

from collections.abc import Sequence
from operator import ge

from filterkit.graph.view import GraphView


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
        Input of the convolution.
    wanted
        The attribute ``output_shape``: one size per spatial axis.
    window
        Dilated kernel sizes.
    upper
        Whether the odd pixel of padding goes to the end (``auto_pad`` is ``"SAME_UPPER"``).

    Returns
    -------
    tuple or None
        None if the size of the input is unknown, or the stated output is larger than possible.
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
