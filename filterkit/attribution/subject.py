"""What an attribution method receives: a target of a network, and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from filterkit.errors import UsageError, closest
from filterkit.graph.gradient.target import Position
from filterkit.runtime.differentiable import Differentiable
from filterkit.runtime.network import Target

if TYPE_CHECKING:
    from filterkit.records import FloatArray


@dataclass(frozen=True, eq=False)
class Subject:
    """A target of a network, and the picture whose pixels are attributed.

    Pictures have the shape (C, H, W), or (N, C, H, W) for several, in the units and the channel order of the
    network's input, whatever its layout.

    Attributes
    ----------
    whole
        The picture.
    corner
        Where the part that is computed begins: y, x. It is a part only for methods that are `local`.
    picture
        This part; the whole picture otherwise.
    black, white
        Inputs for black and white pixels, shape (C, 1, 1).
    """

    whole: FloatArray
    corner: tuple[int, int]
    picture: FloatArray
    black: FloatArray
    white: FloatArray
    _network: Differentiable = field(repr=False)
    _position: Position = field(repr=False)
    _layers: Mapping[str, Target] = field(repr=False)
    _notes: list[str] = field(repr=False)
    _known: list[float] = field(default_factory=list, repr=False)

    def values(self, pictures: FloatArray) -> FloatArray:
        """The value of the target for each picture, shape (N,)."""
        return self._network.values(_checked(pictures), self._position)

    def gradients(self, pictures: FloatArray, override: str | None = None) -> tuple[FloatArray, FloatArray]:
        """The value for each picture, shape (N,), and its gradients, shape (N, C, H, W).

        Few pictures run together, so that any number of them can be given.

        Parameters
        ----------
        override
            ``"guided"``, ``"deconvnet"`` or ``"linear"`` instead of the gradient.
        """
        values, found = self._network.gradients(_checked(pictures), self._position, override)
        if len(pictures) == 1 and override != "linear" and np.array_equal(pictures[0], self.picture):
            self._known.append(float(values[0]))
        return values, found

    def value(self) -> float:
        """The value of the target for `picture`; computed only if it was not on the way."""
        return self._known[-1] if self._known else float(self.values(self.picture[None])[0])

    def layer(self, name: str | None = None) -> tuple[FloatArray, FloatArray]:
        """The feature maps of a layer after its activation, and their gradients, (filters, h, w) each.

        Parameters
        ----------
        name
            A layer that the target depends on; None for the last one.

        Raises
        ------
        UsageError
            There is no such layer.
        """
        value, [found] = self._network.gradients_at(self.picture, self._position, [self._found(name)])
        self._known.append(value)
        return found

    def maps(self, name: str | None = None) -> FloatArray:
        """As `layer`, without the gradients."""
        count = self._network.entry.batch or 1
        pictures = np.repeat(self.picture[None], count, axis=0)
        found: FloatArray = self._network.maps(pictures, self._found(name))[0]
        return found

    def note(self, text: str) -> None:
        """Report something about the result to the user, in a line."""
        if not isinstance(text, str):
            raise TypeError(f"a note is a string, not {type(text).__name__}")
        self._notes.append(text)

    def part(self, whole: FloatArray) -> FloatArray:
        """The part of an array, shape (..., H, W) of `whole`, that belongs to `picture`."""
        (top, left), (height, width) = self.corner, self.picture.shape[1:]
        return whole[..., top : top + height, left : left + width]

    def _found(self, name: str | None) -> Target:
        if not self._layers:
            raise UsageError(
                "the target depends on no layer with positions before it",
                hint="choose a later target, or the method gradient",
            )
        if name is not None and name not in self._layers:
            raise UsageError(
                f"the target does not depend on a layer '{name}'", hint=closest(name, self._layers)
            )
        return self._layers[name if name is not None else [*self._layers][-1]]


def _checked(pictures: FloatArray) -> FloatArray:
    if pictures.ndim != 4 or not len(pictures):
        raise ValueError(f"pictures have the shape (N, C, H, W), not {pictures.shape}")
    return pictures
