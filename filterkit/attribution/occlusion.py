"""Occlusion: how much the value drops when a window of the picture is covered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from filterkit.attribution.baselines import baseline
from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray

MOST_WINDOWS = 100_000
TOGETHER = 16
"""Copies of the picture in memory."""


@dataclass(frozen=True)
class Occlusion:
    """The mean drop of the value over all windows that cover a pixel (Zeiler and Fergus 2013).

    Parameters
    ----------
    window, stride
        Side of the window, and the step to the next, in pixels.
    fill
        What covers the picture: ``gray``, ``black``, ``white`` or ``blur``.
    """

    window: int = 32
    stride: int = 16
    fill: Literal["gray", "black", "white", "blur"] = "gray"

    local: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.window:
            raise UsageError(
                f"stride must be between 1 and the window {self.window}, not {self.stride}",
                hint="a larger stride would leave pixels out",
            )

    def attribute(self, subject: Subject) -> FloatArray:
        cover = baseline(subject, self.fill)
        windows = [*product(*(self._along(subject, axis) for axis in (0, 1)))]
        if len(windows) > MOST_WINDOWS:
            raise UsageError(
                f"{len(windows):,} windows are too many; the limit is {MOST_WINDOWS:,}",
                hint="use a larger stride, e.g. --method occlusion:window=64,stride=32",
            )
        (whole,) = subject.values(subject.picture[None])
        drops, counts = np.zeros((2, *subject.picture.shape[1:]))
        for start in range(0, len(windows), TOGETHER):
            some = windows[start : start + TOGETHER]
            pictures = np.repeat(subject.picture[None], len(some), axis=0)
            for picture, (rows, columns) in zip(pictures, some, strict=True):
                picture[:, rows, columns] = cover[:, rows, columns]
            for value, place in zip(subject.values(pictures), some, strict=True):
                drops[place] += whole - value
                counts[place] += 1
        found: FloatArray = (drops / counts)[None].astype(np.float32)
        return found

    def _along(self, subject: Subject, axis: int) -> list[slice]:
        """The windows of the whole picture that meet the part, in its coordinates."""
        whole, part, corner = (
            subject.whole.shape[axis + 1],
            subject.picture.shape[axis + 1],
            subject.corner[axis],
        )
        last = max(whole - self.window, 0)
        starts = [*range(0, last, self.stride), last]  # all of them have full size, if there is room
        moved = [(start - corner, min(start + self.window, whole) - corner) for start in starts]
        return [slice(max(start, 0), min(end, part)) for start, end in moved if end > 0 and start < part]
