"""Convolve a picture with one filter bank or one kernel in ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from filterkit.errors import ImageError, RuntimeFailure
from filterkit.records import DEFAULT_RUN, RunOptions
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

LARGEST_MAP = 2**28
"""Maximum number of positions of a feature map: three times the maximum number of pixels of a picture."""

AXES = {1: "signals (N, C, W)", 2: "pictures (N, C, H, W)", 3: "volumes (N, C, D, H, W)"}


@dataclass(frozen=True, slots=True)
class Sliding:
    """Attributes of a convolution, with the names and defaults of ONNX's Conv and ConvTranspose.

    Attributes
    ----------
    transposed
        Whether the layer is a ConvTranspose.
    strides, dilations, output_padding
        One value per spatial axis; empty for the default.
    pads
        Begin of every axis, then end of every axis; unused unless `auto_pad` is ``"NOTSET"``.
    """

    transposed: bool = False
    strides: Sequence[int] = ()
    pads: Sequence[int] = ()
    dilations: Sequence[int] = ()
    groups: int = 1
    auto_pad: str = "NOTSET"
    output_padding: Sequence[int] = ()


def convolve(
    weights: FloatArray,
    bias: FloatArray | None,
    image: FloatArray,
    sliding: Sliding | None = None,
    *,
    options: RunOptions = DEFAULT_RUN,
    name: str = "the filter",
) -> NDArray[np.float32]:
    """Convolve a picture with filters as their layer does, in a graph of one Conv or ConvTranspose node.

    Parameters
    ----------
    weights
        Shape (F, I / groups, *kernel_shape), the canonical order, also for ConvTranspose. As in all networks,
        kernels are not flipped: in signal processing, this is called correlation.
    bias
        Shape (F,), or None.
    image
        Shape (N, I, *spatial).
    sliding
        Attributes of the layer; None for stride 1 and no padding.
    name
        Name for error messages.

    Returns
    -------
    ndarray
        float32, shape (N, F, *spatial).

    Raises
    ------
    ImageError
        If the channels or axes of the picture do not match the filters, it is smaller than their window, or
        the output would have more than `LARGEST_MAP` positions.
    RuntimeFailure
        If ONNX Runtime fails, or the provider is not available.
    """
    sliding = sliding or Sliding()
    _check(weights, image, sliding, name)
    choice = choose(options.provider)
    attributes: dict[str, Any] = {"group": sliding.groups, "kernel_shape": list(weights.shape[2:])}
    attributes |= {
        key: list(values)
        for key, values in (("strides", sliding.strides), ("dilations", sliding.dilations))
        if values
    }
    if sliding.auto_pad != "NOTSET":
        attributes["auto_pad"] = sliding.auto_pad
    elif sliding.pads:
        attributes["pads"] = list(sliding.pads)
    if sliding.transposed and sliding.output_padding:
        attributes["output_padding"] = list(sliding.output_padding)
    inputs = {"x": image, "w": _inputs_first(weights, sliding.groups) if sliding.transposed else weights}
    if bias is not None:
        inputs["b"] = bias
    node = helper.make_node(
        "ConvTranspose" if sliding.transposed else "Conv", list(inputs), ["y"], **attributes
    )
    arrays = {key: np.ascontiguousarray(values, dtype=np.float32) for key, values in inputs.items()}
    graph = helper.make_graph(
        [node],
        "convolve",
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, array.shape) for key, array in arrays.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    # IR 7 and opset 11: the oldest in which all of these attributes have their current meaning.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    session = open_session(model, choice, threads=options.threads)
    result: NDArray[np.float32] = run(session, ["y"], arrays)[0]
    if 0 in result.shape:
        raise RuntimeFailure(f"the output of {name} for a picture of {_size(image)} is empty")
    return result


def convolve_kernel(
    kernel: FloatArray,
    image: FloatArray,
    *,
    options: RunOptions = DEFAULT_RUN,
    name: str = "the kernel",
) -> NDArray[np.float32]:
    """Convolve each channel separately with one kernel, with stride 1 and without padding.

    Parameters
    ----------
    kernel
        Shape (*kernel_shape), e.g. (kH, kW).
    image
        Shape (N, C, *spatial).

    Returns
    -------
    ndarray
        float32, shape (N, C, *spatial), smaller than the input by the kernel size minus 1.

    Raises
    ------
    ImageError, RuntimeFailure
        See `convolve`.
    """
    channels = image.shape[1] if image.ndim > 1 else 1
    weights = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
    return convolve(weights, None, image, Sliding(groups=channels), options=options, name=name)


def _check(weights: FloatArray, image: FloatArray, sliding: Sliding, name: str) -> None:
    rank = weights.ndim - 2
    if image.ndim != weights.ndim:
        raise ImageError(
            f"{name} takes {AXES.get(rank, f'{rank}-dimensional input')}, not {image.ndim} axes",
            hint="draw the filter with filterkit show, or run the network with filterkit maps --input",
        )
    takes, given = weights.shape[1] * sliding.groups, image.shape[1]
    if takes != given:
        raise ImageError(
            f"{name} takes {takes} channel{'s' if takes > 1 else ''}; the picture has {given}",
            hint="address one kernel to apply it to each channel, e.g. vgg16/block1_conv2/3/0",
        )
    steps, dilations = sliding.strides or [1] * rank, sliding.dilations or [1] * rank
    pads = sliding.pads if sliding.auto_pad == "NOTSET" and sliding.pads else [0] * (2 * rank)
    window = [(size - 1) * step + 1 for size, step in zip(weights.shape[2:], dilations, strict=True)]
    padded = [
        size + before + after
        for size, before, after in zip(image.shape[2:], pads[:rank], pads[rank:], strict=True)
    ]
    if sliding.transposed:
        sizes = [size * step + wide for size, step, wide in zip(image.shape[2:], steps, window, strict=True)]
        sizes = [size + more for size, more in zip(sizes, sliding.output_padding or [0] * rank, strict=True)]
    else:
        sizes = [max(size, 0) // max(step, 1) + 1 for size, step in zip(padded, steps, strict=True)]
    if math.prod(sizes) > LARGEST_MAP or max(padded) > LARGEST_MAP:
        raise ImageError(
            f"the output of {name} for a picture of {_size(image)} would have about "
            f"{'×'.join(map(str, sizes))} positions; the limit is {LARGEST_MAP:,}",
            hint="use a smaller picture or --size",
        )
    if sliding.transposed or sliding.auto_pad.startswith("SAME"):
        return
    if any(wide > size for wide, size in zip(window, padded, strict=True)):
        raise ImageError(
            f"a picture of {_size(image)} is smaller than the window of {name}, {'×'.join(map(str, window))}",
            hint="use a larger picture or --size",
        )


def _inputs_first(weights: FloatArray, groups: int) -> FloatArray:
    """From (F, I / groups, …) to ConvTranspose's own (I, F / groups, …)."""
    count, inside, *kernel = weights.shape
    split = weights.reshape(groups, count // groups, inside, *kernel)
    return split.swapaxes(1, 2).reshape(groups * inside, count // groups, *kernel)


def _size(image: FloatArray) -> str:
    return "×".join(map(str, image.shape[2:]))
