"""Which factor of a matrix product is the weight, and how it is stored."""

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
"""Matrix products of ONNX Runtime's own, after `ContribOperators.md`; named where they are met, not read."""


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product of data and weight.

    Attributes
    ----------
    data, weight, bias
        Tensors; the bias, Gemm's third input, is empty where there is none.
    left
        Whether the weight is the left factor, so that channels are the output's rows.
    outputs_first
        Whether the weight is stored as O I.
    alpha, beta
        Factors of the product and of the bias.
    zero, scale
        Of a weight of codes: tensors of its zero point (or empty) and of its scale (empty where it follows
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
    """Whether a node multiplies matrices: its weight is extracted, or skipped with a reason."""
    return node.op_type in (*FLOATS, *CODES, *OTHERS, "Einsum")


def read_product(graph: filterkit.GraphView, node: onnx.NodeProto) -> Product | None:
    """What `node` multiplies; None where neither or both factors are constants, so that none is a weight.

    Raises
    ------
    Unresolved
        The operator is not known, or not read.
    """
    if node.domain not in STANDARD or node.op_type in OTHERS:
        raise filterkit.Unresolved(f"{node.op_type} of the domain '{node.domain}' is not known")
    inputs = [*node.input, *[""] * 8]
    first, second = (inputs[0], inputs[3]) if node.op_type == "QLinearMatMul" else (inputs[0], inputs[1])
    left = graph.is_constant(first)
    if left == graph.is_constant(second):
        return None
    data, weight = (second, first) if left else (first, second)
    if node.op_type == "Gemm":
        values = filterkit.attributes(node)
        turned = bool(values.get("transA" if left else "transB", 0))
        return Product(
            data,
            weight,
            left,
            outputs_first=left != turned,
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
