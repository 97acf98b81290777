"""Kill and interrupt processes that observe, at random moments.

Run as a program, it forks children, so that modules are imported only once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import chaos
import onnxruntime  # noqa: F401, before processes are forked
import safetensors.numpy  # noqa: F401

import filterkit
from filterkit.operations import exemplars, observe, observed_rows, observing  # noqa: F401

MORE = 100
"""Pictures that join after an observation was finished."""


def run(location: Path, listed: Path, address: str) -> None:
    with filterkit.open(location) as bench:
        bench.observe(address, [f"list:{listed}"], name="all", batch=2)


def check(location: Path) -> None:
    """What is there is intact, and can be asked."""
    with filterkit.open(location) as bench:
        assert bench.examine()["faults"] == []
        for row in bench.observations():
            if row["layers"]:
                assert len(bench.exemplars("net/conv2", observation="all")) == 2 * 9


def stop(pid: int, chance: random.Random) -> str:
    """Kill a process, interrupt it, or kill it while it writes what it has after an interruption."""
    how = chance.choice(["kill", "interrupt", "both"])
    with contextlib.suppress(ProcessLookupError):
        if how != "kill":
            os.kill(pid, signal.SIGINT)
        if how == "both":
            time.sleep(chance.uniform(0, 0.05))
        if how != "interrupt":
            os.kill(pid, signal.SIGKILL)
    return how


def kill_at_random(location: Path, lines: list[str], kills: int, seed: int) -> None:
    """Observe the pictures of a list, which grows whenever all were observed, until `kills` were killed."""
    chance = random.Random(seed)
    listed = location.with_suffix(".txt")
    count, finished, longest = 2 * MORE, 0, 0.5
    endings: Counter[str] = Counter()
    while endings.total() < kills:
        listed.write_text("\n".join(lines[:count]), encoding="utf-8")
        # One layer joins later.
        address = "net/conv2" if endings.total() < kills // 4 else "net"
        pid = chaos.fork(lambda address=address: run(location, listed, address))
        time.sleep(chance.uniform(0, longest))
        how = stop(pid, chance)
        code = chaos.ended(pid)
        assert code in (0, 130, -signal.SIGKILL, -signal.SIGINT), code
        if code:
            endings[f"{how}: {code}"] += 1
        else:
            finished += 1
            count = min(count + MORE, len(lines))
        longest = min(longest * 1.1, 3) if code else longest * 0.7
        if (endings.total() + finished) % 10 == 0:
            assert not chaos.ended(chaos.fork(lambda: check(location)))
    assert not chaos.ended(chaos.fork(lambda: run(location, listed, "net")))
    print(dict(sorted(endings.items())), "finished", finished, "pictures", count, file=sys.stderr)
    whole = location.with_name("whole.db")
    assert not chaos.ended(chaos.fork(lambda: run(whole, listed, "net")))


if __name__ == "__main__":
    place, count, start, pictures = sys.argv[1:]
    kill_at_random(
        Path(place), Path(pictures).read_text(encoding="utf-8").splitlines(), int(count), int(start)
    )
