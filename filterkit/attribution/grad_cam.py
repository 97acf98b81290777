"""Class activation maps: the feature maps of a layer, weighted by their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from filterkit.attribution.enlarging import enlarged

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray


@dataclass(frozen=True)
class GradCam:
    """The positive part of a layer's maps, weighted by their mean gradients (Selvaraju et al. 2017).

    Parameters
    ----------
    layer
        A layer that the target depends on; by default the last one with more than one position.
    """

    layer: str | None = None

    local: ClassVar[bool] = False

    def attribute(self, subject: Subject) -> FloatArray:
        total = self.weighted(*subject.layer(self.layer)).sum(axis=0)
        found = np.maximum(total, 0)
        if not found.any():
            subject.note(
                "the map is zero: the weighted sum of the layer's maps is "
                + ("negative everywhere" if total.any() else "zero everywhere")
                + "; nothing in this layer raises the value"
            )
        return enlarged(found, subject.picture.shape[1:])

    def weighted(self, maps: FloatArray, gradients: FloatArray) -> FloatArray:
        """The maps times their weights; all have the shape (filters, h, w)."""
        weights: FloatArray = gradients.mean(axis=(1, 2), keepdims=True)
        return maps * weights


@dataclass(frozen=True)
class GradCamPlusPlus(GradCam):
    """As Grad-CAM, with weights for several occurrences (Chattopadhyay et al. 2018), of exp(value)."""

    def weighted(self, maps: FloatArray, gradients: FloatArray) -> FloatArray:
        square = gradients**2
        below = 2 * square + maps.sum(axis=(1, 2), keepdims=True) * gradients * square
        shares = square / np.where(below == 0, 1, below)
        weights: FloatArray = (shares * np.maximum(gradients, 0)).sum(axis=(1, 2), keepdims=True)
        return maps * weights


@dataclass(frozen=True)
class LayerCam(GradCam):
    """As Grad-CAM, with the positive gradient at each position as its weight (Jiang et al. 2021)."""

    def weighted(self, maps: FloatArray, gradients: FloatArray) -> FloatArray:
        return maps * np.maximum(gradients, 0)
