"""Interactive pages for filterkit: ``filterkit show vgg16/block1_conv2 -o kernels.html``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_plotly.renderer import Interactive

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_renderers() -> list[filterkit.Contribution[Interactive]]:
    """Offer the renderer `interactive`; its module, and numpy and plotly with it, is imported once used."""
    return [
        filterkit.Contribution(
            "interactive",
            "A page to point at, zoom and sort, html",
            "filterkit_plotly.renderer:Interactive",
        )
    ]
