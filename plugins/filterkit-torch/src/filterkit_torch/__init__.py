"""PyTorch networks for filterkit: ``filterkit add torch:mynet:Net?depth=18``, ``torch:net.pt2``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import filterkit

if TYPE_CHECKING:
    from filterkit_torch.source import TorchSource

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_model_sources() -> list[filterkit.Contribution[TorchSource]]:
    """Contribute the source `torch`; this process never imports PyTorch, not even when the source is used."""
    return [
        filterkit.Contribution(
            "torch",
            "A PyTorch network: MODULE:CALLABLE?arg=value, or a .pt2 or .pt file",
            "filterkit_torch.source:TorchSource",
        )
    ]
