"""Gabor functions for filterkit: as a source of filters, and as a metric that finds them in any filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_gabor.metric import GaborMetric
    from filterkit_gabor.source import GaborSource

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_model_sources() -> list[filterkit.Contribution[GaborSource]]:
    """Offer the source `gabor`; its module, and numpy and onnx with it, is imported once it is used."""
    return [
        filterkit.Contribution(
            "gabor",
            "Gabor filters; options orientations, frequencies, size, phase",
            "filterkit_gabor.source:GaborSource",
        )
    ]


@filterkit.hookimpl
def filterkit_metrics() -> list[filterkit.Contribution[GaborMetric]]:
    """Offer the metric `gabor`, which also is imported once it is used."""
    return [
        filterkit.Contribution(
            "gabor", "The Gabor function nearest to each filter", "filterkit_gabor.metric:GaborMetric"
        )
    ]
