"""Several pictures that are attributed one after the other, and whose gradients are computed together."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from filterkit.runtime.differentiable import Differentiable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.graph.gradient.target import Position
    from filterkit.records import FloatArray


class Together:
    """Pictures of the same size, each with a filter at a position as its target.

    Parameters
    ----------
    pictures
        Shape (N, C, H, W).
    channels, positions
        The target of each.
    """

    def __init__(
        self,
        network: Differentiable,
        pictures: FloatArray,
        channels: list[int],
        positions: list[tuple[int, ...]],
    ) -> None:
        self.pictures = pictures
        self._network, self._channels = network, channels
        places = [(channel, *position) for channel, position in zip(channels, positions, strict=True)]
        self._places = np.array(places, np.int64)
        self._gradients: dict[str | None, tuple[FloatArray, FloatArray]] = {}

    def gradients(self, override: str | None) -> tuple[FloatArray, FloatArray]:
        """The values and the gradients of all pictures."""
        if override not in self._gradients:
            self._gradients[override] = self._network.gradients_of_each(self.pictures, self._places, override)
        return self._gradients[override]

    def networks(self) -> list[Differentiable]:
        """The network for each of the pictures."""
        same = {each.name: getattr(self._network, each.name) for each in fields(Differentiable)}
        return [
            _OneOf(**{**same, "channels": (channel,)}, together=self, number=number)
            for number, channel in enumerate(self._channels)
        ]


@dataclass(frozen=True, eq=False)
class _OneOf(Differentiable):
    """The network for one picture: its own gradient was computed with those of the others."""

    together: Together = field(kw_only=True)
    number: int = field(kw_only=True)

    def gradients(
        self, pictures: FloatArray, position: Position, override: str | None = None
    ) -> tuple[FloatArray, FloatArray]:
        own = slice(self.number, self.number + 1)
        if np.array_equal(pictures, self.together.pictures[own]):
            values, found = self.together.gradients(override)
            return values[own], found[own]
        return super().gradients(pictures, position, override)

    def _placed(self, position: Position | NDArray[np.int64], pictures: int) -> Position | NDArray[np.int64]:
        if not isinstance(position, tuple):
            return position
        return np.tile(np.array([*(self.channels or ()), *position]), (pictures, 1))
