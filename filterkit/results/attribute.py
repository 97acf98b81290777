"""The result of an attribution: how much each pixel of a picture contributes to a target."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line
from filterkit.results.sheet import Pictured, Sheet
from filterkit.short_reprs import array_text, shortened

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer, Row
    from filterkit.records import FloatArray, TileSheet

SIGNED, UNSIGNED = "RdBu_r", "magma"
"""Colormaps for attributions with and without negative values."""

RISES = "red raises the value, blue lowers it"

INSENSITIVE = ("guided-backprop", "deconvnet")
"""Methods that hardly depend on the weights of later layers (Adebayo et al. 2018, arXiv:1810.03292)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attributions(Pictured):
    """An attribution of a target to the pixels of a picture; ``numpy.asarray(result)`` is its array.

    Attributes
    ----------
    array
        Shape (C, H, W), float32, in units of the value per unit of the network's input, or of the value,
        depending on the method. The size is that at which the network sees the picture, i.e. after it was
        resized; channels are in the order R, G, B. C is 1 for methods that do not distinguish channels.
    channels
        Names of the channels, or empty if C is 1 for all of them.
    picture
        The picture at this size, shape (H, W, 3), between 0 and 1.
    target
        An address, or an output of the network as ``MODEL@OUTPUT:INDEX``.
    image, image_name
        The picture, as named by the caller, and a name for it that is suitable for files.
    method
        The method and its options, as a spec string.
    value
        The value of the target.
    position
        The position of the feature map, (y, x); None for the mean, and for outputs without positions.
    box
        Its receptive field inside the picture: top, left, bottom and right, in pixels, the last two
        exclusive. None if it is the whole picture, or unknown.
    seconds
        How long it took.
    provider
        ``"cpu"`` or ``"cuda"``: where it ran.
    notes
        What the method reports, e.g. the error of integrated gradients.
    randomized
        The layer from which on weights were replaced by random ones, or None.
    of_several
        Whether the same call returns attributions of more pictures.
    colormap
        Name of a matplotlib colormap; None chooses one by the signs.
    """

    array: FloatArray
    channels: tuple[str, ...]
    picture: FloatArray
    target: str
    image: str
    image_name: str
    method: str
    value: float
    position: tuple[int, ...] | None
    box: tuple[int, int, int, int] | None
    seconds: float
    provider: str
    notes: tuple[str, ...] = ()
    randomized: str | None = None
    of_several: bool = False
    colormap: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.array.shape

    @property
    def sum(self) -> float:
        """The sum of the array."""
        return float(self.array.sum(dtype="float64"))

    @property
    def total(self) -> FloatArray:
        """The sum over channels, shape (H, W)."""
        found: FloatArray = self.array.sum(axis=0)
        return found

    @property
    def is_signed(self) -> bool:
        """Whether there are negative values."""
        return bool(self.array.min(initial=0) < 0)

    @property
    def default_normalizer(self) -> str:
        """Zero has the middle colour; without negative values, the first one."""
        return "symmetric"

    @property
    def captions(self) -> list[str]:
        """What the picture shows, in short sentences."""
        at = "" if self.position is None else f" at {','.join(map(str, self.position))}"
        texts = [f"value {self.value:.4g}{at}"]
        if self.box is not None:
            top, left, bottom, right = self.box
            texts.append(f"receptive field {bottom - top} × {right - left}")
        if self.randomized is not None:
            texts += [
                f"random weights from {self.randomized} on",
                "what looks the same with trained weights does not show what these layers have learned",
            ]
        elif self.method in INSENSITIVE:
            texts.append("hardly depends on what the later layers have learned")
        if self.is_signed and self.colormap is None:
            texts.append(RISES)
        return texts

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """The picture, the attribution and both in one; below them the receptive field, if it is small."""
        from filterkit.renderers.canvas import colour_table
        from filterkit.sheets.attributions import attributions_to_sheet

        name = self.colormap or (SIGNED if self.is_signed else UNSIGNED)
        return attributions_to_sheet(self, normalizer, colour_table(name))

    def to_row(self, path: str | os.PathLike[str] | None = None) -> Row:
        """The row of `filterkit attribute`; `path` is the file that it was written to."""
        return {
            "target": self.target,
            "image": self.image,
            "method": self.method,
            "value": self.value,
            "position": None if self.position is None else list(self.position),
            "box": None if self.box is None else list(self.box),
            "sum": self.sum,
            "seconds": round(self.seconds, 4),
            "provider": self.provider,
            "path": None if path is None else str(path),
        }

    def save(
        self,
        path: str | os.PathLike[str],
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> None:
        """Write the attribution as an array or as a picture.

        Parameters
        ----------
        path
            An ``.npy``, ``.npz`` or ``.safetensors`` file for the array (C, H, W), or a picture file, with a
            suffix as in `Workbench.draw`; without a suffix, a PNG file.
        normalizer
            For pictures, as in `Workbench.sheet`.
        renderer, options
            For pictures, as in `Sheet.save`.

        Raises
        ------
        UsageError
            There is no such format, or as `Sheet.save` raises.
        """
        from filterkit.results.sheet import drawn, installed, saved_as_arrays

        target = Path(path)
        if saved_as_arrays({self.image_name: self.array}, target, normalizer, renderer, options):
            return
        drawn(installed(), self, normalizer).save(target, renderer, **options)

    def __repr__(self) -> str:
        at = "" if self.position is None else f" at {','.join(map(str, self.position))}"
        text = f"<Attributions of {self.target}{at} to {shortened(self.image, 60)}: {self.method}, "
        return one_line(f"{text}value {self.value:.4g}, {array_text(self.array)}>")

    def _repr_png_(self) -> bytes:
        from filterkit.normalizers.symmetric import Symmetric

        return Sheet.of(self.to_sheet(Symmetric()))._repr_png_()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        import numpy as np

        return np.array(self.array, dtype=dtype, copy=copy)
