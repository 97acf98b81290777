"""Runs of a fuzz target in worker processes, watched: one that crashes or hangs is found by its run.

A target is a program that, given ``--work FIRST:STOP``, prints before and after each run where it is, as a
line of JSON: ``{"at": 7}``, then ``{"done": 7, "outcome": "taken", "finding": null, "took": 0.1}``.
"""

from __future__ import annotations

import collections
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HUNG = 90.0
"""Seconds without a word after which a worker is taken to hang."""

Report = dict[str, Any]


def fuzz(program: str | Path, words: Sequence[str], runs: range, workers: int) -> list[Report]:
    """Drive `runs`, shared out among `workers` processes ``program *words``; all reports, one per run."""
    report: queue.Queue[Report | None] = queue.Queue()
    share = -(-len(runs) // workers)
    parts = [runs[start : start + share] for start in range(0, len(runs), share)]
    command = [sys.executable, str(program), *words]
    for part in parts:
        threading.Thread(target=_watch, args=(command, part, report), daemon=True).start()
    reports: list[Report] = []
    alive = len(parts)
    while alive:
        news = report.get()
        if news is None:
            alive -= 1
            continue
        reports.append(news)
        if news["finding"]:
            print(f"run {news['done']}: {news['finding']}", flush=True)
        if len(reports) % 1000 == 0:
            print(f"{len(reports)} runs", flush=True)
    return reports


def summary(reports: Sequence[Report], what: str) -> int:
    """Print what came of all runs over `what`; returns the exit code."""
    findings = [each for each in reports if each["finding"]]
    outcomes = collections.Counter(each["outcome"].split(":")[0] for each in reports)
    slowest = max((each["took"] for each in reports), default=0.0)
    print(f"{len(reports)} {what}: {dict(outcomes)}; slowest {slowest:.1f} s; {len(findings)} findings")
    return 1 if findings else 0


def _watch(command: Sequence[str], runs: range, report: queue.Queue[Report | None]) -> None:
    """Drive some runs in processes of their own, whatever these run into."""
    left = runs
    while left:
        last = _watch_one(command, left, report)
        left = range(last + 1, runs.stop)
    report.put(None)


def _watch_one(command: Sequence[str], runs: range, report: queue.Queue[Report | None]) -> int:
    """One worker to its end; returns the last run that it was at."""
    words = [*command, "--work", f"{runs.start}:{runs.stop}"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as worker:
        assert worker.stdout is not None and worker.stderr is not None
        said: collections.deque[str] = collections.deque(maxlen=5)
        listener = threading.Thread(target=said.extend, args=(worker.stderr,), daemon=True)
        listener.start()
        at, alarm = runs.start, threading.Timer(HUNG, worker.kill)
        alarm.start()
        done = -1
        for line in worker.stdout:
            alarm.cancel()
            news = json.loads(line)
            at = news.get("at", at)
            if "done" in news:
                done = news["done"]
                report.put(news)
            alarm = threading.Timer(HUNG, worker.kill)
            alarm.start()
        alarm.cancel()
        code = worker.wait()
        listener.join(1)
    if done < at or (code and at + 1 < runs.stop):
        finding = f"the process ended with {code}: {' | '.join(said)[-400:]}"
        report.put({"done": at, "outcome": "finding", "finding": finding, "took": 0})
    return at if code or done < at else runs.stop - 1
