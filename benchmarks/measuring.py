"""Measure ratios: both sides alternate within one run, and their medians are compared."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TELL = """
import pathlib, resource, sys
try:  # Linux's own figure for this program; getrusage includes the peak of its parent process
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
except (OSError, IndexError):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (2**20 if sys.platform == "darwin" else 1024))
"""
"""Prints the peak memory of the process that runs it, in MiB."""


@dataclass(frozen=True)
class Line:
    """One line of the table: `ratio` is the measured value, `reach` the target.

    `turns` are the ratios of all turns, if their spread is shown as a measure of the machine's noise.
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
    """Run time of `action`."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ratio(one: Callable[[], Any], other: Callable[[], Any], repeats: int = 7, *, times: int = 1) -> float:
    """Median time of `one` over that of `other`, alternating, so that other load slows both.

    `one` runs that many `times` per turn, in case a single run is too short to measure.
    """
    one(), other()
    taken = [(seconds(lambda: [one() for _ in range(times)]) / times, seconds(other)) for _ in range(repeats)]
    return statistics.median(t for t, _ in taken) / statistics.median(t for _, t in taken)


def in_turn(
    actions: Mapping[str, Callable[[], Any]],
    turns: int,
    warm_up: Mapping[str, Callable[[], Any]] | None = None,
) -> dict[str, list[float]]:
    """Run times of each action in every turn, after a warm-up turn; the order changes.

    A pause before each action lets the threads of the previous one go to sleep. Where actions are long,
    `warm_up` has shorter ones for the warm-up turn.
    """
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for action in (warm_up or actions).values():
        action()
    for turn in range(turns):
        for name in list(actions)[:: 1 if turn % 2 else -1]:
            time.sleep(0.02)
            taken[name].append(seconds(actions[name]))
    return taken


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Ratios turn by turn: temporary load slows both sides."""
    return [ours / theirs for ours, theirs in zip(one, other, strict=True)]


def process(command: Sequence[str]) -> Callable[[], None]:
    """Run `command` in a separate process, which keeps compiled modules as an installation has them."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return run


def megabytes(code: str) -> float:
    """Peak memory of a Python process that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code + TELL], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])
