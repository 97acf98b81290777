"""Filter banks of convolution nodes, found by topology, in the main graph and in all subgraphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import ge
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from filterkit.extractors.convolution_operators import (
    Form,
    form_of,
    is_channels_last,
    is_convolution,
    why_unknown,
)
from filterkit.extractors.layer_weights import (
    as_float,
    dequantized,
    given,
    known,
    read_bias,
    read_weight,
)
from filterkit.geometry import MOST_AXES
from filterkit.graph.layers.activation_nodes import ACTIVATIONS
from filterkit.graph.layers.activations import Tail, follow
from filterkit.graph.layers.layers import Unresolved, read_layers
from filterkit.graph.layers.quantization import are_cast_integers, factor_of_output, reads_codes, real_output
from filterkit.graph.layers.weight_origin import stored_as
from filterkit.graph.loading.names import shown
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes
from filterkit.records import FilterBank, Skipped

if TYPE_CHECKING:
    from filterkit.records import FloatArray


CODES = (
    "its weight and output are integer codes, and no constant scale after it (Cast, then Mul) "
    "dequantizes them"
)


class ConvolutionExtractor:
    """Finds filter banks by following the graph, regardless of the names of nodes and weights."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """Yield a bank, or the reason for skipping it, for each convolution node, lazily and in graph order.

        Nodes in subgraphs come after those of the enclosing graph. Functions have already been inlined,
        except for those that cannot be (`functions.inline`).
        """
        return read_layers(graph, is_convolution, _bank)


def _bank(graph: GraphView, node: onnx.NodeProto, name: str) -> FilterBank:
    form = form_of(node)
    if form is None:
        raise Unresolved(why_unknown(node))
    if not node.output or not node.output[0]:
        raise Unresolved("the node has no output")
    weight_tensor = given(node, form.weight)
    stored = read_weight(graph, node, form)
    rank = stored.ndim - 2
    if not 1 <= rank <= 9:
        raise Unresolved(f"the weight has {stored.ndim} axes, which is not the shape of a filter bank")
    if 0 in stored.shape:
        raise Unresolved("the weight is empty")

    values = attributes(node)
    groups = values.get("group", 1)
    kernel_shape = _numbers(values, "kernel_shape", stored.shape[2:], 1)
    if kernel_shape != stored.shape[2:]:
        raise Unresolved("the shape of the weight contradicts the node's kernel_shape")
    if form.pads is not None:
        values["pads"] = _pads(graph, node, form.pads)
    axes = ("IO" if form.transposed else "OI") + spatial_letters(rank)
    _, source_dtype, source_layout = stored_as(graph, weight_tensor, axes)
    weights = _canonical(stored, form, groups)
    if form.codes is not None:
        weights = dequantized(graph, node, form.codes, weights)
    out_channels = weights.shape[0]
    bias = read_bias(graph, node, form, out_channels)
    output = node.output[0]
    if form.codes is not None and form.codes.scale is None:
        real = real_output(graph, node, out_channels)
        if real is not None:
            weights = weights * real.scale.reshape(-1, *(1,) * (weights.ndim - 1))
            bias, output = real.bias, real.tensor
        elif reads_codes(graph, node.input[0]) or graph.consumers(output):
            raise Unresolved(CODES)
    elif form.codes is None and are_cast_integers(graph, weight_tensor):
        scale, output = factor_of_output(graph, output, _layout(node, form, rank), out_channels)
        weights = (weights * scale.reshape(-1, *(1,) * (weights.ndim - 1))).astype(weights.dtype)
        bias = None if bias is None else bias * scale
    tail = _tail(graph, node, output, form, rank, out_channels, has_bias=bias is not None)
    if tail.bias is not None:
        bias = as_float(tail.bias)
    strides = _numbers(values, "strides", (1,) * rank, 1)
    dilations = _numbers(values, "dilations", (1,) * rank, 1)
    output_padding = _numbers(values, "output_padding", (0,) * rank, 0)
    auto_pad = _text(values, "auto_pad", "NOTSET")
    pads = _numbers(values, "pads", (0,) * (2 * rank), None)
    if form.transposed and "output_shape" in values:
        stated = _pads_for(
            graph,
            node.input[0],
            _numbers(values, "output_shape", (0,) * rank, 1),
            window=[(size - 1) * step + 1 for size, step in zip(kernel_shape, dilations, strict=True)],
            strides=strides,
            output_padding=output_padding,
            upper=auto_pad == "SAME_UPPER",
        )
        if stated is not None:
            pads, auto_pad = stated, "NOTSET"
    return FilterBank(
        node=name,
        op=node.op_type,
        weights=weights,
        bias=bias,
        in_channels=weights.shape[1] * groups,
        out_channels=out_channels,
        groups=groups,
        kernel_shape=kernel_shape,
        strides=strides,
        dilations=dilations,
        pads=pads,
        auto_pad=auto_pad,
        output_padding=output_padding,
        input_tensor=node.input[0],
        weight_tensor=weight_tensor,
        pre_tensor=tail.pre_tensor,
        post_tensor=tail.post_tensor,
        pre_layout=tail.pre_layout,
        post_layout=tail.post_layout,
        activation=tail.activation,
        source_dtype=source_dtype,
        source_layout=source_layout,
        scope=graph.scope,
        batchnorm=tail.batchnorm,
        norm=tail.norm,
    )


def _tail(
    graph: GraphView,
    node: onnx.NodeProto,
    output: str,
    form: Form,
    rank: int,
    channels: int,
    *,
    has_bias: bool,
) -> Tail:
    """What follows the node; the pre-activation output of a fused node is not available."""
    layout = _layout(node, form, rank)
    fused = _text(attributes(node), "activation", "")
    if fused:
        name = ACTIVATIONS.get(fused, "clip" if fused == "Clip" else fused.lower())
        return Tail(None, output, layout, output, layout, name)
    return follow(graph, output, layout, channels, has_bias=has_bias)


def _layout(node: onnx.NodeProto, form: Form, rank: int) -> str:
    """The axes of the node's output."""
    spatial = spatial_letters(rank)
    return f"N{spatial}C" if is_channels_last(node, form) else f"NC{spatial}"


def _pads(graph: GraphView, node: onnx.NodeProto, place: int) -> list[int]:
    name = given(node, place)
    return known(graph, name, "the padding").ravel().tolist() if name else []


def spatial_letters(rank: int) -> str:
    """Letters of the spatial axes: W, HW, DHW, and digits beyond three dimensions."""
    return "DHW"[-rank:] if rank <= 3 else "123456789"[:rank]


def _canonical(stored: FloatArray, form: Form, groups: int) -> FloatArray:
    """Bring a weight to (out_channels, in_channels / groups, *kernel_shape).

    Conv stores it that way. ConvTranspose stores (in_channels, out_channels / groups, *kernel_shape), whose
    group g connects the g-th part of the input channels to the g-th part of the output channels; the kernels
    are not flipped.
    """
    if not isinstance(groups, int) or groups < 1 or stored.shape[0] % groups:
        raise Unresolved(f"{stored.shape[0]} channels cannot be divided into {groups} groups")
    if not form.transposed:
        return stored
    inputs, outputs, *kernel = stored.shape
    grouped = stored.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(grouped.reshape(groups * outputs, inputs // groups, *kernel))


def _text(values: dict[str, Any], name: str, default: str) -> str:
    """A string attribute of the node; operators that ONNX does not define may store any type."""
    text = values.get(name, default)
    if not isinstance(text, str):
        raise Unresolved(f"the node's attribute '{name}' is malformed")
    return text


def _numbers(
    values: dict[str, Any], name: str, default: tuple[int, ...], smallest: int | None
) -> tuple[int, ...]:
    """An integer list attribute of the node, with as many values as the default."""
    stated = values.get(name) or default
    if not isinstance(stated, Sequence) or not all(isinstance(number, int) for number in stated):
        raise Unresolved(f"the node's attribute '{name}' is malformed")
    numbers = tuple(stated)
    if len(numbers) != len(default):
        raise Unresolved(
            f"{name} {shown(str(list(numbers[:MOST_AXES])))} does not match the shape of the weight"
        )
    if smallest is not None and min(numbers) < smallest:
        raise Unresolved(f"{name} {shown(str(list(numbers)))} is invalid")
    return numbers


def _pads_for(
    graph: GraphView,
    tensor: str,
    wanted: Sequence[int],
    *,
    window: Sequence[int],
    strides: Sequence[int],
    output_padding: Sequence[int],
    upper: bool,
) -> tuple[int, ...] | None:
    """Pads of a transposed convolution that states its output size: begin, then end of all axes (ONNX).

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
