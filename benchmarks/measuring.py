"""How ratios are measured: both sides in turn, in one run, by their medians."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TELL = """
import pathlib, resource, sys
try:  # what Linux says of this very program; getrusage has the peak of the one that started it too
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
except (OSError, IndexError):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (2**20 if sys.platform == "darwin" else 1024))
"""
"""Prints the peak memory of the process that runs it, in MiB."""


@dataclass(frozen=True)
class Line:
    """One line of the table: `ratio` is what was measured, `reach` what is claimed of it.

    `turns` are the ratios of every turn, where their spread tells how much the machine's noise is worth.
    """

    what: str
    against: str
    ratio: float
    reach: float
    turns: Sequence[float] = ()

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


def in_turn(actions: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, list[float]]:
    """How long each action takes in every turn, after one that is not counted; the order changes.

    A pause before each lets the threads of the one before go to sleep.
    """
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(turns + 1):
        for name in list(actions)[:: -1 if turn % 2 else 1]:
            time.sleep(0.02)
            taken[name].append(seconds(actions[name]))
    return {name: times[1:] for name, times in taken.items()}


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Turn by turn: what slows the machine for a while slows both."""
    return [ours / theirs for ours, theirs in zip(one, other, strict=True)]


def process(command: Sequence[str]) -> Callable[[], None]:
    """Run `command` as a process of its own."""

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


def megabytes(code: str) -> float:
    """Peak memory of a Python process that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code + TELL], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])
