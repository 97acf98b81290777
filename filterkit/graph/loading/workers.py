"""Processes that work on parts of a stranger's model for this one, within limits.

What a model asks for can make a library abort, hang or take all memory. That ends the other process, not this
one, and the next request gets a new one.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakSet

from filterkit import budget
from filterkit.children import no_python
from filterkit.errors import RuntimeFailure
from filterkit.graph.loading import sandbox_worker
from filterkit.graph.loading.sandbox_worker import ANSWER, GREETING, HEADER

LONGEST_ANSWER = 1 << 28
"""Bytes beyond four times the request's; few bytes may ask for a shape of any number of axes."""


class Refused(Exception):
    """The other process refuses a request; the message is what it says against it."""


class Broken(Exception):
    """The other process did not survive a request, or took longer than it may."""


_workers: WeakSet[Worker] = WeakSet()


@dataclass(eq=False)
class Worker:
    """The other process, where there is one.

    Attributes
    ----------
    command
        Finds the command line that starts it. It has to speak as `sandbox_worker.serve` does.
    environment
        Finds the environment it starts in; None is this process's.
    patience
        Seconds by the clock that it may take for a request of so many bytes.
    charged
        CPU time in seconds that was counted while it lived; the system counts all of it once it has ended.
    """

    command: Callable[[], list[str]]
    environment: Callable[[], Mapping[str, str]] | None = None
    patience: Callable[[int], float] = sandbox_worker.patience
    lock: threading.Lock = field(default_factory=threading.Lock)
    process: subprocess.Popen[bytes] | None = None
    greeted: bool = False
    charged: float = 0.0

    def __post_init__(self) -> None:
        _workers.add(self)

    def prepare(self) -> None:
        """Let the process start, where none runs, while something else is done."""
        with self.lock:
            self._started()

    def ask(self, task: int, data: bytes) -> bytes:
        """What the process answers to a request.

        Raises
        ------
        Refused, Broken
            See there.
        RuntimeFailure
            Python cannot be started a second time.
        """
        with self.lock:
            process = self._started()
            alarm = threading.Timer(self.patience(len(data)), process.kill)
            alarm.daemon = True
            try:
                alarm.start()
                self._greet(process)
                refused, answer = self._exchange(process, task, data)
            except (OSError, EOFError) as error:
                self.end()
                raise Broken from error
            except BaseException:  # interrupted halfway, the next answer would be this one's
                self.end()
                raise
            finally:
                alarm.cancel()
        if refused:
            raise Refused(answer.decode("utf-8", "replace"))
        return answer

    def end(self) -> None:
        """End the process, where one runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            budget.charge(-self.charged)
            for pipe in (self.process.stdin, self.process.stdout):
                with suppress(OSError):  # what was still to be written
                    assert pipe is not None
                    pipe.close()
        self.process, self.greeted, self.charged = None, False, 0.0

    def forget(self) -> None:
        """In a fork of this process: the other process goes on to answer to this process's parent alone."""
        if self.process is not None:
            self.process.returncode = 0  # not ours to wait for
        self.process, self.greeted, self.lock = None, False, threading.Lock()
        self.charged = 0.0

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a new process to work: one that never does, the model has no part in."""
        if not self.greeted:
            assert process.stdout is not None
            if process.stdout.read(len(GREETING)) != GREETING:
                raise no_python(RuntimeFailure, "it does not answer")
            self.greeted = True

    def _exchange(self, process: subprocess.Popen[bytes], task: int, data: bytes) -> tuple[bool, bytes]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(HEADER.pack(task, len(data)))
        process.stdin.write(data)
        process.stdin.flush()
        header = process.stdout.read(ANSWER.size)
        if len(header) < ANSWER.size:
            raise EOFError
        refused, length, seconds = ANSWER.unpack(header)
        budget.charge(seconds)
        self.charged += seconds
        if length > LONGEST_ANSWER + 4 * len(data):
            raise EOFError
        answer = process.stdout.read(length)
        if len(answer) < length:
            raise EOFError
        return bool(refused), answer

    def _started(self) -> subprocess.Popen[bytes]:
        """The process, a new one where it has ended."""
        if self.process is not None and self.process.poll() is not None:
            self.end()
        if self.process is None:
            try:
                self.process = subprocess.Popen(
                    self.command(),
                    env=self.environment and self.environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                raise no_python(RuntimeFailure, error.strerror or str(error)) from error
        return self.process


def _end_all() -> None:
    for worker in _workers:
        worker.end()


def _forget_all() -> None:
    for worker in _workers:
        worker.forget()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
