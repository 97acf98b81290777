"""What a search can begin with: well-known kernels, and the parts of networks to search."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from filterkit.workbench import Workbench

KERNELS = {
    "Sobel, edges": "[[-1,0,1],[-2,0,2],[-1,0,1]]",
    "Prewitt, edges": "[[-1,0,1],[-1,0,1],[-1,0,1]]",
    "Laplacian, details": "[[0,1,0],[1,-4,1],[0,1,0]]",
    "Gaussian, blur": "[[1,2,1],[2,4,2],[1,2,1]]",
    "a corner": "[[-1,-1,-1],[-1,2,2],[-1,2,2]]",
    "a diagonal line": "[[2,-1,-1],[-1,2,-1],[-1,-1,2]]",
}
"""Numbers to search for, by what they are."""

MOST_MODELS, MOST_PARTS = 8, 24
"""How many models have parts to choose, and how many parts each; any other can be typed."""


def parts_of_models(bench: Workbench, models: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The parts of the first models: for each model names of parts, and the addresses that select them."""
    return [(name, _parts(name, bench.layers(name)["layer"])) for name in models[:MOST_MODELS]]


def _parts(model: str, layers: Iterable[str]) -> list[tuple[str, str]]:
    """Whole networks, then the beginnings of names that several layers share: ``block2``."""
    words = [re.split(r"([_.])", name) for name in layers if not re.search(r"[/*?\[\]]", name)]
    groups: dict[str, int] = {}
    for depth in range(2, max(map(len, words), default=0), 2):
        groups = Counter("".join(each[:depth]) for each in words if len(each) > depth)
        if len(groups) > 1:
            break
    shared = [name for name, layers_of in groups.items() if layers_of > 1]
    return [("all layers", model), *((name[:-1], f"{model}/{name}*") for name in shared[:MOST_PARTS])]
