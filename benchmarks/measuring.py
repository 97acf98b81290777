"""How ratios are measured: both sides in turn, in one run, by their medians."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of the table: `ratio` is what was measured, `reach` what is claimed of it."""

    what: str
    against: str
    ratio: float
    reach: float

    @property
    def reached(self) -> bool:
        return self.ratio <= self.reach


def seconds(action: Callable[[], Any]) -> float:
    """How long `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ratio(one: Callable[[], Any], other: Callable[[], Any], repeats: int = 7, *, times: int = 1) -> float:
    """Median time of `one` over that of `other`, measured in turn: what else goes on slows both.

    `one` runs that many `times` a turn, where a single run is too short to measure.
    """
    one(), other()
    taken = [(seconds(lambda: [one() for _ in range(times)]) / times, seconds(other)) for _ in range(repeats)]
    return statistics.median(t for t, _ in taken) / statistics.median(t for _, t in taken)


def process(command: Sequence[str]) -> Callable[[], None]:
    """Run `command` as a process of its own."""

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


def megabytes(code: str) -> float:
    """Peak memory of a Python process that runs `code`."""
    tell = (
        "\nimport json, resource, sys\nprint(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    )
    done = subprocess.run([sys.executable, "-c", code + tell], check=True, capture_output=True, text=True)
    peak = json.loads(done.stdout.splitlines()[-1])
    return float(peak) / (1e6 if sys.platform == "darwin" else 1024)
