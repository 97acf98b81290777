"""Gabor functions for filterkit: a model source, and a metric that fits them to any filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_gabor.metric import GaborMetric
    from filterkit_gabor.source import GaborSource

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_model_sources() -> list[filterkit.Contribution[GaborSource]]:
    """Contribute the source `gabor`; its module, with numpy and onnx, is imported on first use."""
    return [
        filterkit.Contribution(
            "gabor",
            "Gabor filters; options orientations, frequencies, size, phase",
            "filterkit_gabor.source:GaborSource",
        )
    ]


@filterkit.hookimpl
def filterkit_metrics() -> list[filterkit.Contribution[GaborMetric]]:
    """Contribute the metric `gabor`, also imported on first use."""
    return [
        filterkit.Contribution(
            "gabor", "The Gabor function nearest to each filter", "filterkit_gabor.metric:GaborMetric"
        )
    ]
