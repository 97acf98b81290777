"""The result of feature visualization: pictures that filters respond to most."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line
from filterkit.results.rows import Rows
from filterkit.results.sheet import Pictured, Sheet
from filterkit.short_reprs import array_text, shortened

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer
    from filterkit.records import FloatArray, TileSheet

COLUMNS = {
    "address": str,
    "objective": str,
    "size": list[int],
    "steps": int,
    "seed": int,
    "start": float,
    "best": float,
    "last": float,
    "seconds": float,
    "provider": str,
    "path": str,
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Visualization(Pictured):
    """Pictures optimized for filters; ``numpy.asarray(result)`` is their array.

    Attributes
    ----------
    array
        Shape (pictures, channels, height, width), float32, between 0 (black) and 1 (white), with channels in
        the order R, G, B. For networks that take signals in one dimension, shape (pictures, channels,
        samples), between -1 and 1.
    addresses
        The filter of each picture; each filter has as many as were asked for by ``diversity``.
    start, best, last
        The response of each filter to its picture at the start, to the returned one, and to the last one:
        the mean of its map, or the value in the middle of it, depending on the objective.
    steps
        The steps that were made for each.
    seconds
        How long each took when it was computed, its share of those computed together.
    objective, size, seed
        As requested; the size is that of the array: height and width, or the number of samples.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran.
    models
        The SHA-256 of the model's file, by name.
    notes
        What is worth knowing, e.g. which filters never respond.
    """

    array: FloatArray
    addresses: tuple[str, ...]
    start: tuple[float, ...]
    best: tuple[float, ...]
    last: tuple[float, ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    objective: str
    seed: int
    provider: str
    models: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(pictures, channels, height, width)."""
        return self.array.shape

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the pictures, or the number of samples."""
        return self.array.shape[2:]

    @property
    def names(self) -> list[str]:
        """A name for each picture that is suitable for files and unique."""
        found: list[str] = []
        for place, address in enumerate(self.addresses):
            variant = self.addresses[:place].count(address)
            name = one_line(address).replace("/", "_").replace("\\", "_")
            found.append(f"{name}_{variant}" if self.addresses.count(address) > 1 else name)
        return found

    @property
    def arrays(self) -> dict[str, FloatArray]:
        """Each picture's array by its name."""
        return dict(zip(self.names, self.array, strict=True))

    @property
    def default_normalizer(self) -> str:
        """Has no effect: the array has the values of pixels."""
        return "minmax"

    def to_sheet(self, normalizer: Normalizer | None = None) -> TileSheet:
        """A tile for each picture, with its filter and response; a signal is drawn as a curve."""
        from filterkit.sheets.visualizations import visualizations_to_sheet

        return visualizations_to_sheet(self)

    def only(self, number: int) -> Visualization:
        """The result for one of the pictures."""
        from dataclasses import replace

        one = slice(number, number + 1) if number >= 0 else slice(number, number + 1 or None)
        each = ("array", "addresses", "start", "best", "last", "steps", "seconds")
        return replace(self, **{name: getattr(self, name)[one] for name in each})

    def to_rows(self, paths: Sequence[str | os.PathLike[str]] = ()) -> Rows:
        """The rows of `filterkit visualize`; `paths` are the files of the pictures, or one for all."""
        files = [*map(str, paths)]
        files = files if len(files) == len(self.addresses) else files * len(self.addresses)
        rows = [
            {
                "address": address,
                "objective": self.objective,
                "size": list(self.size),
                "steps": self.steps[place],
                "seed": self.seed,
                "start": self.start[place],
                "best": self.best[place],
                "last": self.last[place],
                "seconds": round(self.seconds[place], 4),
                "provider": self.provider,
                "path": files[place] if files else None,
            }
            for place, address in enumerate(self.addresses)
        ]
        return Rows(rows, COLUMNS)

    def save(
        self,
        path: str | os.PathLike[str],
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> None:
        """Write the pictures as arrays, or on one sheet.

        Parameters
        ----------
        path
            An ``.npy`` file for the array, ``.npz`` or ``.safetensors`` for an array per picture, or a
            picture file, with a suffix as in `Workbench.draw`; without a suffix, a PNG file.
        normalizer
            Has no effect.
        renderer, options
            For pictures, as in `Sheet.save`.

        Raises
        ------
        UsageError
            There is no such format, or as `Sheet.save` raises.
        """
        from filterkit.results.sheet import drawn, installed, saved_as_arrays

        target = Path(path)
        if saved_as_arrays(self.as_files(target), target, normalizer, renderer, options):
            return
        drawn(installed(), self).save(target, renderer, **options)

    def as_files(self, path: Path) -> dict[str, FloatArray]:
        """The arrays that a file of this suffix gets: all in one for ``.npy``."""
        if path.suffix.lower() != ".npy":
            return self.arrays
        return {"pictures": self.array[0] if len(self.array) == 1 else self.array}

    def __len__(self) -> int:
        return len(self.addresses)

    def __repr__(self) -> str:
        count = len(self)
        what = shortened(self.addresses[0], 60) if count == 1 else f"{count} pictures"
        return one_line(f"<Visualization of {what}: {self.objective}, {array_text(self.array)}>")

    def _repr_png_(self) -> bytes:
        return Sheet.of(self.to_sheet())._repr_png_()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        import numpy as np

        return np.array(self.array, dtype=dtype, copy=copy)
