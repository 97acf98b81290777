"""Batch norms after convolutions: their scale and shift, and folding these into the filters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from filterkit.graph.view.constants import NotConstant
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import attributes
from filterkit.records import BatchNorm, FilterBank

if TYPE_CHECKING:
    from filterkit.records import FloatArray


def read_batchnorm(graph: GraphView, node: onnx.NodeProto, layout: str, channels: int) -> BatchNorm | None:
    """Read the scale and shift of a BatchNormalization node; None where they are not constant.

    ``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`` (ONNX, operator BatchNormalization), computed
    in float64.
    """
    values = attributes(node)
    if values.get("training_mode", 0) or len(node.input) < 5:
        return None
    try:
        arrays = [graph.constant(name) for name in node.input[1:5]]
        if any(array.dtype.kind in "OSUcb" for array in arrays):
            return None
        gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    except (NotConstant, ValueError, TypeError):
        return None
    if any(array.shape != (channels,) for array in (gamma, beta, mean, variance)):
        return None
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + values.get("epsilon", 1e-5))
        shift = beta - mean * scale
        return BatchNorm(scale.astype(np.float32), shift.astype(np.float32), node.output[0], layout)


def fold_batchnorm(bank: FilterBank) -> FilterBank:
    """Fold the batch norm that follows a convolution into its bank; without one, return the bank unchanged.

    Weights and bias are multiplied by the scale of their channel, and the shift is added to the bias. The
    bank's *pre* tensor is then the batch norm's output.
    """
    norm = bank.batchnorm
    if norm is None or norm.folded:
        return bank
    with np.errstate(all="ignore"):
        factor = norm.scale.reshape(-1, *(1,) * (bank.weights.ndim - 1))
        weights: FloatArray = (bank.weights * factor).astype(bank.weights.dtype)
        bias: FloatArray = norm.shift if bank.bias is None else bank.bias * norm.scale + norm.shift
    alone = bank.post_tensor == bank.pre_tensor
    return replace(
        bank,
        weights=weights,
        bias=bias.astype(bank.weights.dtype),
        pre_tensor=norm.tensor,
        pre_layout=norm.layout,
        post_tensor=norm.tensor if alone else bank.post_tensor,
        post_layout=norm.layout if alone else bank.post_layout,
        batchnorm=replace(norm, folded=True),
    )
