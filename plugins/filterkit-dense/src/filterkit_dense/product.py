"""Find the weight of a matrix product, and how it is stored."""

from __future__ import annotations

from dataclasses import dataclass

import filterkit
import onnx

STANDARD = ("", "ai.onnx")
FLOATS = ("MatMul", "Gemm")
CODES = ("MatMulInteger", "QLinearMatMul")
OTHERS = (
    "FusedMatMul",
    "TransposeMatMul",
    "FusedGemm",
    "GemmFastGelu",
    "GemmFloat8",
    "QGemm",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "MatMulInteger16",
    "MatMulNBits",
    "MatMulBnb4",
    "MatMulFpQ4",
)
"""Matrix products specific to ONNX Runtime (see its `ContribOperators.md`); reported, but not supported."""


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product of data and weight.

    Attributes
    ----------
    data, weight, bias
        Tensors; the bias, Gemm's third input, is empty if there is none.
    left
        Whether the weight is the left factor, so that channels are the output's rows.
    outputs_first
        Whether the weight is stored as O I.
    alpha, beta
        Factors of the product and of the bias.
    zero, scale
        For a quantized weight: tensors of its zero point (or empty) and of its scale (empty if it follows
        the product).
    """

    data: str
    weight: str
    left: bool
    outputs_first: bool
    bias: str = ""
    alpha: float = 1.0
    beta: float = 1.0
    zero: str = ""
    scale: str = ""


def is_product(node: onnx.NodeProto) -> bool:
    """Whether a node multiplies matrices, so that its weight is extracted or skipped with a reason."""
    return node.op_type in (*FLOATS, *CODES, *OTHERS, "Einsum")


def read_product(graph: filterkit.GraphView, node: onnx.NodeProto) -> Product | None:
    """The product that `node` computes; None if neither or both factors are constants, i.e. it has no weight.

    Raises
    ------
    Unresolved
        If the operator is unknown or unsupported.
    """
    if node.domain not in STANDARD or node.op_type in OTHERS:
        raise filterkit.Unresolved(f"unknown operator {node.op_type} of domain '{node.domain}'")
    inputs = [*node.input, *[""] * 8]
    first, second = (inputs[0], inputs[3]) if node.op_type == "QLinearMatMul" else (inputs[0], inputs[1])
    left = graph.is_constant(first)
    if left == graph.is_constant(second):
        return None
    data, weight = (second, first) if left else (first, second)
    if node.op_type == "Gemm":
        values = filterkit.attributes(node)
        transposed = bool(values.get("transA" if left else "transB", 0))
        return Product(
            data,
            weight,
            left,
            outputs_first=left != transposed,
            bias=inputs[2],
            alpha=float(values.get("alpha", 1.0)),
            beta=float(values.get("beta", 1.0)),
        )
    if node.op_type == "MatMulInteger":
        return Product(data, weight, left, outputs_first=left, zero=inputs[2 if left else 3])
    if node.op_type == "QLinearMatMul":
        scale, zero = inputs[1:3] if left else inputs[4:6]
        return Product(data, weight, left, outputs_first=left, zero=zero, scale=scale)
    return Product(data, weight, left, outputs_first=left)
