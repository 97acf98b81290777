"""Eigen-CAM: what the maps of a layer have in common, without gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from filterkit.attribution.enlarging import enlarged

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray


@dataclass(frozen=True)
class EigenCam:
    """The positive part of the first principal component of a layer's maps (Muhammad and Yeasin 2020).

    It does not depend on the target, only on the layer. The sign is the one with the larger positive part.

    Parameters
    ----------
    layer
        A layer that the target depends on; by default the last one with more than one position.
    """

    layer: str | None = None

    local: ClassVar[bool] = False

    def attribute(self, subject: Subject) -> FloatArray:
        maps = subject.maps(self.layer)
        places = maps.reshape(len(maps), -1).T.astype(np.float64)
        centred = places - places.mean(axis=0)
        # Of the smaller of the two Gram matrices: a layer may have thousands of filters or positions.
        if len(maps) <= len(centred):
            direction = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        else:
            direction = centred.T @ np.linalg.eigh(centred @ centred.T)[1][:, -1]
            direction /= np.linalg.norm(direction) or 1
        component = (places @ direction).reshape(maps.shape[1:])
        component = component if component.sum() >= 0 else -component
        return enlarged(np.maximum(component, 0), subject.picture.shape[1:])
