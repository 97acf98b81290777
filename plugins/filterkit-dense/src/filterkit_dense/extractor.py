"""The weight extractor ``dense``: every output of a weight matrix is a 1 × 1 filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import filterkit
import onnx

from filterkit_dense.axes import MOST_AXES, layout_of
from filterkit_dense.einsum import follow_einsum, read_einsum, read_matrix
from filterkit_dense.product import CODES, STANDARD, is_product, read_product
from filterkit_dense.weights import Floats, read_bias, read_weight


class DenseExtractor:
    """Reads the weights of MatMul, Gemm and Einsum, and of their quantized forms.

    A product of two tensors that both depend on the input, like attention's queries and keys, has no weight
    and is left out.
    """

    def extract(self, graph: filterkit.GraphView) -> Iterator[filterkit.FilterBank | filterkit.Skipped]:
        """Yield one bank or reason per product with a weight, in the graph's order, bodies last."""
        return filterkit.read_layers(graph, is_product, _bank)


def _bank(graph: filterkit.GraphView, node: onnx.NodeProto, name: str) -> filterkit.FilterBank | None:
    if node.op_type == "Einsum" and node.domain in STANDARD:
        return _einsum_bank(graph, node, name)
    product = read_product(graph, node)
    if product is None:
        return None
    weights = read_weight(graph, product, codes=node.op_type in CODES)
    outputs = len(weights)
    output = node.output[0]
    if node.op_type == "MatMulInteger":
        scale, output = filterkit.dynamic_scale(graph, output, outputs)
        if scale is None:
            raise filterkit.Unresolved(
                "its weight is integer codes, and no constant scale after it (Cast, then Mul) "
                "dequantizes them"
            )
        weights = weights * scale[:, None]
    layout = layout_of(graph, output, left=product.left)
    tail = _tail(graph, output, layout, outputs, has_bias=bool(product.bias))
    if product.bias:
        tail = replace(tail, bias=read_bias(graph, product, outputs))
    stored = filterkit.stored_as(graph, product.weight, "OI" if product.outputs_first else "IO")
    return _filled(graph.scope, node.op_type, name, product.data, weights, stored, tail)


def _einsum_bank(graph: filterkit.GraphView, node: onnx.NodeProto, name: str) -> filterkit.FilterBank | None:
    found = read_einsum(graph, node)
    if found is None:
        return None
    weights, sizes = read_matrix(graph, found)
    tail = follow_einsum(graph, node.output[0], found, sizes)
    axes = "".join("O" if axis in found.outputs else "I" for axis in range(len(found.inputs) + len(sizes)))
    stored = filterkit.stored_as(graph, found.weight, axes)
    return _filled(graph.scope, node.op_type, name, found.data, weights, stored, tail)


def _filled(
    scope: str,
    op: str,
    name: str,
    data: str,
    weights: Floats,
    stored: tuple[str, str, str],
    tail: filterkit.Tail,
) -> filterkit.FilterBank:
    """The bank of `weights`, (outputs, inputs); `stored` is their tensor, type and axes in the file."""
    outputs, inputs = weights.shape
    tensor, dtype, axes = stored
    return filterkit.FilterBank(
        node=name,
        op=op,
        weights=weights.reshape(outputs, inputs, 1, 1),
        bias=None if tail.bias is None else tail.bias.astype(weights.dtype),
        in_channels=inputs,
        out_channels=outputs,
        groups=1,
        kernel_shape=(1, 1),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(0, 0, 0, 0),
        auto_pad="NOTSET",
        output_padding=(0, 0),
        input_tensor=data,
        weight_tensor=tensor,
        pre_tensor=tail.pre_tensor,
        post_tensor=tail.post_tensor,
        pre_layout=tail.pre_layout,
        post_layout=tail.post_layout,
        activation=tail.activation,
        source_dtype=dtype,
        source_layout=axes,
        scope=scope,
        batchnorm=tail.batchnorm,
        norm=tail.norm,
    )


def _tail(
    graph: filterkit.GraphView, tensor: str, layout: str, channels: int, *, has_bias: bool
) -> filterkit.Tail:
    """What follows the product: bias, batch norm, activation.

    Many exporters flatten all positions of all pictures into the rows of the product, and restore their axes
    with a Reshape after it; the tail is then described with the restored axes.
    """
    tail = filterkit.follow(graph, tensor, layout, channels, has_bias=has_bias)
    readers = graph.consumers(tail.pre_tensor)
    if layout != "NC" or tail.activation or len(readers) != 1 or readers[0].op_type != "Reshape":
        return tail
    unfolded = readers[0].output[0]
    shape = graph.shape(unfolded)
    if shape is None or not 3 <= len(shape) <= MOST_AXES or shape[-1] != channels:
        return tail
    has_bias = has_bias or tail.bias is not None
    after = filterkit.follow(graph, unfolded, layout_of(graph, unfolded), channels, has_bias=has_bias)
    return after if tail.bias is None else replace(after, bias=tail.bias)
