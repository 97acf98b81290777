"""Print the ratios that filterkit's speed claims are based on, each measured within this one run.

``python benchmarks/run.py`` takes some minutes on two cores; ``python benchmarks/run.py catalog`` measures
one group of them; ``large``, ``merge``, ``scale``, ``visualize`` and ``web`` are measured only if named.
VGG16 is downloaded if it is not cached.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from measuring import Line

import filterkit

GROUPS = (
    *("commands", "plugins", "catalog", "pictures", "feature_maps", "gradients", "memory", "metrics"),
    *("observe", "comparison", "deep_filters", "ablate"),
)
"""Modules beside this one, each with ``lines(catalog)``: lines of the table, and notes."""
MODULES = {"web": "explorer"}
"""Those whose name differs from the group's."""


def main(groups: list[str]) -> None:
    print(f"{'benchmark':<48}{'baseline':<46}{'measured':>11}{'target':>11}")
    print(f"{'-' * 46:<48}{'-' * 44:<46}{'-' * 9:>11}{'-' * 9:>11}")
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.db"
        with filterkit.open(catalog) as bench:
            bench.add("vgg16")
        for group in groups or GROUPS:
            for line in import_module(MODULES.get(group, group)).lines(catalog):
                print(line if isinstance(line, str) else row(line), flush=True)


def row(line: Line) -> str:
    """One line of the table, followed by the interquartile range of its turns, if any."""
    text = f"{line.what:<48}{line.against:<46}{shown(line.ratio):>11}{shown(line.reach):>11}"
    if line.turns:
        low, _, high = statistics.quantiles(line.turns, n=4)
        text += f"  ({low:.2f} to {high:.2f})"
    return text if line.reached else f"{text}  missed"


def shown(ratio: float) -> str:
    """A ratio as text; small ones are inverted."""
    return f"1 : {1 / ratio:,.0f}" if ratio < 0.1 else f"{ratio:.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
