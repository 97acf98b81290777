"""Dense layers for filterkit: ``filterkit add net.onnx --extractor convolution --extractor dense``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_dense.extractor import DenseExtractor

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_weight_extractors() -> list[filterkit.Contribution[DenseExtractor]]:
    """Offer the extractor `dense`; its module, and numpy and onnx with it, is imported once it is used."""
    return [
        filterkit.Contribution(
            "dense",
            "Weights of MatMul and Gemm as 1×1 filters: dense layers, attention projections",
            "filterkit_dense.extractor:DenseExtractor",
        )
    ]
