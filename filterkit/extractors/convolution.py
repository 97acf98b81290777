"""Filter banks of Conv and ConvTranspose nodes, found by topology alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import ge
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.graph.activations import follow
from filterkit.graph.constants import NotConstant
from filterkit.graph.tensors import dtype_name
from filterkit.graph.view import GraphView
from filterkit.graph.walk import attributes, bodies
from filterkit.records import FilterBank, Skipped

if TYPE_CHECKING:
    from filterkit.records import FloatArray

STANDARD = ("", "ai.onnx")
EXTRACTED = ("Conv", "ConvTranspose")
CONVOLUTIONS = {
    *((domain, op) for domain in STANDARD for op in (*EXTRACTED, "QLinearConv", "ConvInteger", "DeformConv")),
    *(("com.microsoft", op) for op in ("FusedConv", "QLinearConv", "NhwcFusedConv", "NhwcConv")),
}
"""What counts as a convolution, by domain and operator: each is extracted or skipped with a reason."""


class Unresolved(Exception):
    """A convolution that cannot be extracted; the message says why, for a user."""


class ConvolutionExtractor:
    """Finds filter banks by following the graph; names of nodes and weights mean nothing to it."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """Yield one bank, or one reason, per convolution node, in the graph's order; one bank at a time."""
        for node in graph.nodes:
            if _is_convolution(node):
                try:
                    yield _bank(graph, node)
                except Unresolved as reason:
                    yield _skipped(node, str(reason))
            for body in bodies(node):
                yield from _inside(
                    body.node, f"inside the body of {_a(node.op_type)} node; not extracted yet"
                )
        for function in graph.model.functions:
            yield from _inside(
                function.node, f"inside the model's function '{function.name}'; not extracted yet"
            )


def _is_convolution(node: onnx.NodeProto) -> bool:
    return (node.domain, node.op_type) in CONVOLUTIONS


def _inside(nodes: Iterable[onnx.NodeProto], reason: str) -> Iterator[Skipped]:
    for node in nodes:
        if _is_convolution(node):
            yield _skipped(node, reason)
        for body in bodies(node):
            yield from _inside(body.node, reason)


def _skipped(node: onnx.NodeProto, reason: str) -> Skipped:
    return Skipped(_name(node), node.op_type, reason)


def _name(node: onnx.NodeProto) -> str:
    return node.name or next(filter(None, node.output), "")


def _a(word: str) -> str:
    return f"an {word}" if word[:1] in "AEIOU" else f"a {word}"


def _bank(graph: GraphView, node: onnx.NodeProto) -> FilterBank:
    if node.op_type not in EXTRACTED or node.domain not in STANDARD:
        raise Unresolved(f"{node.op_type} is not extracted yet")
    if len(node.input) < 2 or not node.input[1] or not node.output:
        raise Unresolved("the node has no weight")
    weight_tensor = node.input[1]
    stored = _float_array(graph, weight_tensor, "the weight")
    rank = stored.ndim - 2
    if not 1 <= rank <= 9:
        raise Unresolved(f"the weight has {stored.ndim} axes, which is no filter bank")
    if 0 in stored.shape:
        raise Unresolved("the weight is empty")

    values = attributes(node)
    groups = values.get("group", 1)
    weights = _canonical(stored, node.op_type, groups)
    out_channels = weights.shape[0]
    kernel_shape = _numbers(values, "kernel_shape", stored.shape[2:], 1)
    if kernel_shape != stored.shape[2:]:
        raise Unresolved("the weight's shape contradicts the node's kernel_shape")
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = _float_array(graph, node.input[2], "the bias")
        if bias.shape != (out_channels,):
            raise Unresolved("the bias does not have one value per output channel")
    layout = "NC" + spatial_letters(rank)
    tail = follow(graph, node.output[0], layout, out_channels, has_bias=bias is not None)
    if tail.bias is not None:
        bias = _as_float(tail.bias)
    source_dtype, source_layout = _as_stored(graph, weight_tensor, node.op_type, stored.shape)
    strides = _numbers(values, "strides", (1,) * rank, 1)
    dilations = _numbers(values, "dilations", (1,) * rank, 1)
    output_padding = _numbers(values, "output_padding", (0,) * rank, 0)
    auto_pad = str(values.get("auto_pad", "NOTSET"))
    pads = _numbers(values, "pads", (0,) * (2 * rank), None)
    if node.op_type == "ConvTranspose" and "output_shape" in values:
        wanted = _numbers(values, "output_shape", (0,) * rank, 1)
        window = [(size - 1) * step + 1 for size, step in zip(kernel_shape, dilations, strict=True)]
        made = _unpadded(graph, node.input[0], window, strides, output_padding)
        if made is not None and all(map(ge, made, wanted)):
            pads, auto_pad = _cut_down(made, wanted, upper=auto_pad == "SAME_UPPER"), "NOTSET"
    return FilterBank(
        node=_name(node),
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
    )


def _unpadded(
    graph: GraphView, tensor: str, window: Sequence[int], strides: Sequence[int], extra: Sequence[int]
) -> list[int] | None:
    """How large a ConvTranspose's output would be without padding; None where its input's size is open."""
    shape = graph.shape(tensor)
    sizes = [size for size in shape[2:] if isinstance(size, int)] if shape else []
    if len(sizes) != len(window):
        return None
    return [
        step * (size - 1) + more + wide
        for size, wide, step, more in zip(sizes, window, strides, extra, strict=True)
    ]


def _cut_down(made: Sequence[int], wanted: Sequence[int], *, upper: bool) -> tuple[int, ...]:
    """The pads that a stated output shape means (ONNX, operator ConvTranspose)."""
    total = [whole - part for whole, part in zip(made, wanted, strict=True)]
    small, large = [each // 2 for each in total], [each - each // 2 for each in total]
    return (*small, *large) if upper else (*large, *small)


def spatial_letters(rank: int) -> str:
    """Letters of the spatial axes: W, HW, DHW, and digits beyond three dimensions."""
    return "DHW"[-rank:] if rank <= 3 else "123456789"[:rank]


def _float_array(graph: GraphView, tensor: str, what: str) -> FloatArray:
    try:
        value = graph.constant(tensor)
    except NotConstant as error:
        raise Unresolved(f"{what} is {error.reason}") from error
    return _as_float(value)


def _as_float(value: NDArray[Any]) -> FloatArray:
    """float16 and float32 as they are, everything else as float32."""
    if value.dtype.kind in "OSU":
        raise Unresolved("the weight holds text")
    if value.dtype in (np.float16, np.float32):
        return cast("FloatArray", np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    with np.errstate(over="ignore"):
        return cast("FloatArray", np.ascontiguousarray(value.astype(np.float32)))


def _canonical(stored: FloatArray, op: str, groups: int) -> FloatArray:
    """Bring a weight to (out_channels, in_channels / groups, *kernel_shape).

    Conv holds it so. ConvTranspose holds (in_channels, out_channels / groups, *kernel_shape), whose group g
    joins the g-th part of the input channels with the g-th part of the output channels; the kernels are not
    flipped.
    """
    if groups < 1 or stored.shape[0] % groups:
        raise Unresolved(f"{stored.shape[0]} channels cannot be divided into {groups} groups")
    if op == "Conv":
        return stored
    inputs, outputs, *kernel = stored.shape
    grouped = stored.reshape(groups, inputs // groups, outputs, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(grouped.reshape(groups * outputs, inputs // groups, *kernel))


def _numbers(
    values: dict[str, Any], name: str, default: tuple[int, ...], smallest: int | None
) -> tuple[int, ...]:
    """A list of integers among the node's attributes, of the default's length."""
    numbers = tuple(values.get(name) or default)
    if len(numbers) != len(default) or any(not isinstance(number, int) for number in numbers):
        raise Unresolved(f"{name} {list(numbers)} does not fit the weight's shape")
    if smallest is not None and min(numbers) < smallest:
        raise Unresolved(f"{name} {list(numbers)} is not possible")
    return numbers


def _as_stored(graph: GraphView, tensor: str, op: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """Element type and axis order of the weight in the file, told by going back to where it is stored."""
    letters = ("OI" if op == "Conv" else "IO") + spatial_letters(len(shape) - 2)
    while (node := graph.producer(tensor)) is not None and node.input:
        if node.op_type == "Transpose":
            perm = attributes(node).get("perm", range(len(letters))[::-1])
            if sorted(perm) == list(range(len(letters))):
                letters = "".join(letters[list(perm).index(axis)] for axis in range(len(letters)))
        elif graph.shape(tensor) != graph.shape(node.input[0]):
            letters = "reshaped"
        tensor = node.input[0]
    if node is not None:
        return dtype_name(_constant_type(node)), letters
    stored = graph.stored(tensor)
    values = stored.values if isinstance(stored, onnx.SparseTensorProto) else stored
    return dtype_name(values.data_type), letters


def _constant_type(node: onnx.NodeProto) -> int:
    """Element type of a Constant node, whose other attribute forms hold float32."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return int(attribute.t.data_type)
        if attribute.name == "sparse_value":
            return int(attribute.sparse_tensor.values.data_type)
    return int(onnx.TensorProto.FLOAT)
