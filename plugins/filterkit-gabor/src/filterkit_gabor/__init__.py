"""Gabor filter banks for filterkit: ``filterkit add 'gabor:?orientations=8&frequencies=0.1,0.2&size=15'``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
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
