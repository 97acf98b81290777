"""Figures of Matplotlib: its import, common settings, shortened labels, and reproducible files."""

from __future__ import annotations

import importlib
import io
import os
import sys
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filterkit.renderers.metadata import for_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DPI = 150
FONT = "DejaVu Sans"  # bundled with matplotlib, so that pictures are the same everywhere
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
INK, FAINT = "#222222", "#767676"

_SETTINGS: Any = {
    "font.family": [FONT],
    "text.usetex": False,
    "savefig.bbox": None,
    "svg.hashsalt": "filterkit",  # ids would otherwise be random
}
"""Settings that override the user's matplotlibrc."""


def matplotlib() -> ModuleType:
    """The package matplotlib, first imported without a ``matplotlibrc`` of the current folder.

    matplotlib would use that file instead of the user's own. In an untrusted folder it may turn on LaTeX, be
    unreadable, or be a named pipe that blocks.
    """
    if "matplotlib" in sys.modules or not os.path.lexists("matplotlibrc"):
        return importlib.import_module("matplotlib")
    before = os.getcwd()  # noqa: PTH109
    os.chdir(os.sep)  # matplotlib has no other way
    try:
        return importlib.import_module("matplotlib")
    finally:
        os.chdir(before)


def settings() -> AbstractContextManager[None]:
    """A context with the settings for making and writing figures."""
    settings: AbstractContextManager[None] = matplotlib().rc_context(_SETTINGS)
    return settings


def written(figure: Figure, kind: str, texts: Mapping[str, str]) -> bytes:
    """`figure` as the bytes of a file of one of `MEDIA_TYPES`, with `texts` as returned by `metadata`."""
    out = io.BytesIO()
    about: Any = for_format(texts, kind)
    figure.savefig(out, format=kind, dpi=DPI, facecolor="white", metadata=about)
    return out.getvalue()


def drawn_pixels(figure: Figure) -> NDArray[np.uint8]:
    """`figure` as pixels on white, shape (height, width, 3)."""
    import numpy as np
    from matplotlib.backends import backend_agg

    untyped: Any = backend_agg
    figure.set_facecolor("white")
    canvas = untyped.FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def shorten(text: str, length: int) -> str:
    """Shorten `text` to `length` characters by replacing its middle with ``…``.

    Labels of a sheet differ at the end (the number of a filter) as often as at the beginning.
    """
    if len(text) <= length:
        return text
    tail = max(length - 1, 0) // 2
    return text[: max(length - 1 - tail, 0)] + "…" + text[len(text) - tail :]
