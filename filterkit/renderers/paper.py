"""Figures as files: how all of them look, and the same bytes for the same figure."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line
from filterkit.renderers.plotting import matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
FONT = "DejaVu Sans"  # comes with matplotlib, so pictures are the same everywhere
MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
INK, FAINT = "#222222", "#767676"

_SETTINGS: Any = {
    "font.family": [FONT],
    "text.usetex": False,
    "savefig.bbox": None,
    "svg.hashsalt": "filterkit",  # ids would be random
}
"""What a user's matplotlibrc may not change."""


def settings() -> AbstractContextManager[None]:
    """The settings under which a figure is made and written."""
    settings: AbstractContextManager[None] = matplotlib().rc_context(_SETTINGS)
    return settings


def written(figure: Figure, kind: str, title: str) -> bytes:
    """`figure` as a file of one of `MEDIA_TYPES`."""
    # No dates, which would make each file a different one.
    no_date: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    metadata: dict[str, Any] = {"Title": one_line(title), **no_date.get(kind, {})}
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=DPI, facecolor="white", metadata=metadata)
    return out.getvalue()
