"""Repeat work in another process with a different PYTHONHASHSEED."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from filterkit.child_processes import python
from filterkit.plugins.report import in_words

T = TypeVar("T")

_BEGIN = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from filterkit.testing.other_process import answer
answer()
"""

_LOST = "lost"
_FAILED = "failed"
_DONE = "done"


class Unreachable(Exception):
    """Work that cannot be pickled or imported in another process, e.g. code of a notebook or script."""


class Failed(Exception):
    """Message of the exception raised in the other process."""


def elsewhere(work: Callable[[], T]) -> T:
    """Run `work` in a new process with another PYTHONHASHSEED and return its result.

    Raises
    ------
    Unreachable, Failed
    """
    try:
        sent = pickle.dumps(sys.path) + pickle.dumps(pickle.dumps(work))
    except Exception as error:
        raise Unreachable from error
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        python("-c", _BEGIN),
        input=sent,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=False,
    )
    if done.returncode:
        raise Failed(f"the process failed with exit code {done.returncode}")
    state, answered = pickle.loads(done.stdout)
    if state == _LOST:
        raise Unreachable
    if state == _FAILED:
        raise Failed(answered)
    result: T = answered
    return result


def answer() -> None:
    """In the new process: run the work read from stdin, and write the result to the original stdout."""
    out = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(out, "wb") as stream:
        stream.write(pickle.dumps(_answer(pickle.load(sys.stdin.buffer))))


def _answer(sent: bytes) -> tuple[str, Any]:
    try:
        work = pickle.loads(sent)
    except Exception:
        return _LOST, None
    try:
        return _DONE, work()
    except (Exception, SystemExit) as error:
        return _FAILED, in_words(error)
