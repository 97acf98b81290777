"""Interactive pages for filterkit: ``filterkit show vgg16/block1_conv2 -o kernels.html``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_plotly.renderer import Interactive

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_renderers() -> list[filterkit.Contribution[Interactive]]:
    """Contribute the renderer `interactive`; its module, with numpy and plotly, is imported on first use."""
    return [
        filterkit.Contribution(
            "interactive",
            "An interactive page with hover, zoom and sorting, html",
            "filterkit_plotly.renderer:Interactive",
        )
    ]
