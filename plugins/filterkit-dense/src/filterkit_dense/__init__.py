"""Dense layers for filterkit: ``filterkit add net.onnx --extractor convolution --extractor dense``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_dense.extractor import DenseExtractor

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_weight_extractors() -> list[filterkit.Contribution[DenseExtractor]]:
    """Contribute the extractor `dense`; its module, with numpy and onnx, is imported on first use."""
    return [
        filterkit.Contribution(
            "dense",
            "Weights of MatMul and Gemm as 1×1 filters: dense layers, attention projections",
            "filterkit_dense.extractor:DenseExtractor",
        )
    ]
