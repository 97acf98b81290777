"""An exported program made ready for a catalog: fewer nodes, the same weights, always the same bytes."""

from __future__ import annotations

from pathlib import Path

import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common

_RULES = (
    common.remove_optional_bias_from_conv_rule,
    common.remove_optional_bias_from_conv_transpose_rule,
    common.remove_optional_bias_from_gemm_rule,
)
"""The exporter gives a convolution without bias one of zeros. What else its optimizer does is left out: it
folds batch norms into filters, and filters are to be those of the network."""


def simplify(program: torch.onnx.ONNXProgram) -> None:
    """Fold constants, and drop biases of zeros; nodes keep the exporter's notes."""
    optimizer.fold_constants(program.model)
    rewriter.rewrite(program.model, _RULES)
    optimizer.remove_unused_nodes(program.model)


def write(program: torch.onnx.ONNXProgram, path: Path) -> None:
    """Write `program` to `path`, without notes, which name files of the machine that made it.

    Weights of more than protobuf can hold stand in a file beside it.
    """
    ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props.clear()
    program.save(path)
