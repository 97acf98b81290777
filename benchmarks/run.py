"""Print what filterkit's speed claims rest on: ratios, each measured within this one run.

``python benchmarks/run.py`` takes some minutes on two cores; ``python benchmarks/run.py catalog`` measures
one group of them; ``large`` and ``scale`` are measured only where they are named. VGG16 is fetched if it is
not cached.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from measuring import Line

import filterkit

GROUPS = ("commands", "plugins", "catalog", "pictures", "feature_maps", "memory", "metrics", "comparison")
"""Modules beside this one, each with ``lines(catalog)``: lines of the table, and notes."""


def main(groups: list[str]) -> None:
    print(f"{'what':<48}{'against':<46}{'measured':>11}{'to reach':>11}")
    print(f"{'-' * 46:<48}{'-' * 44:<46}{'-' * 9:>11}{'-' * 9:>11}")
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.db"
        with filterkit.open(catalog) as bench:
            bench.add("vgg16")
        for group in groups or GROUPS:
            for line in import_module(group).lines(catalog):
                print(line if isinstance(line, str) else row(line), flush=True)


def row(line: Line) -> str:
    """One line of the table; where turns were counted, the middle half of them stands behind it."""
    text = f"{line.what:<48}{line.against:<46}{shown(line.ratio):>11}{shown(line.reach):>11}"
    if line.turns:
        low, _, high = statistics.quantiles(line.turns, n=4)
        text += f"  ({low:.2f} to {high:.2f})"
    return text if line.reached else f"{text}  missed"


def shown(ratio: float) -> str:
    """Small ratios the other way round."""
    return f"1 : {1 / ratio:,.0f}" if ratio < 0.1 else f"{ratio:.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
