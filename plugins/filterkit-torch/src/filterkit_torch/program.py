"""Prepare an exported program for a catalog: fewer nodes, the same weights, reproducible bytes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from onnxscript import optimizer


def simplify(program: torch.onnx.ONNXProgram, parameters: Collection[str]) -> None:
    """Fold constants, and drop the zeros that the exporter adds if a convolution has no bias.

    The exporter's own optimizer is not used: it folds batch norms into filters and removes biases that happen
    to be zero, and a catalog should hold what the network holds. Nodes keep their metadata.

    Parameters
    ----------
    parameters
        Names of the network's parameters and buffers.
    """
    optimizer.fold_constants(program.model)
    for node in ir.traversal.RecursiveGraphIterator(program.model.graph):
        bias = node.inputs[2] if node.op_type in ("Conv", "ConvTranspose") and len(node.inputs) > 2 else None
        if bias is None or bias.name in parameters or bias.const_value is None:
            continue
        if not bias.const_value.numpy().any():
            node.resize_inputs(2)
    optimizer.remove_unused_nodes(program.model)


def write(program: torch.onnx.ONNXProgram, path: Path) -> None:
    """Write `program` to `path`, without metadata, which contains file names of the exporting machine.

    Weights beyond protobuf's limit are written to a file beside it.
    """
    ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props.clear()
    program.save(path)
