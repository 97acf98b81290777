"""Gabor functions for filterkit: a source, a metric that fits them to any filter, and a panel of the fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_gabor.metric import GaborMetric
    from filterkit_gabor.panel import GaborPanel
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


@filterkit.hookimpl
def filterkit_panels() -> list[filterkit.Contribution[GaborPanel]]:
    """Contribute the panel `gabor`, for ``filterkit serve``."""
    return [
        filterkit.Contribution(
            "gabor", "The Gabor function fitted to a filter or kernel", "filterkit_gabor.panel:GaborPanel"
        )
    ]
