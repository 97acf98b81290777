"""Write figures to files: common settings, reproducible bytes."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line
from filterkit.renderers.plotting import matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def settings() -> AbstractContextManager[None]:
    """A context with the settings for making and writing figures."""
    settings: AbstractContextManager[None] = matplotlib().rc_context(_SETTINGS)
    return settings


def written(figure: Figure, kind: str, title: str) -> bytes:
    """`figure` as the bytes of a file of one of `MEDIA_TYPES`."""
    # Without dates, for reproducible files.
    no_date: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    metadata: dict[str, Any] = {"Title": one_line(title), **no_date.get(kind, {})}
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=DPI, facecolor="white", metadata=metadata)
    return out.getvalue()
