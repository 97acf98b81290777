"""Run the parts of onnx that are written in C++ (checker, inliner, shapes, versions) in a separate process.

An unexpected graph can make them abort, hang or use up all memory: onnx is built with assertions, and one of
them fails where a Slice meets an axis whose size was inferred to be negative. A bare Python with onnx's
extension starts in some 30 ms, while a model is being read, and runs until this process ends.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakSet

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit import budget
from filterkit.child_processes import no_python
from filterkit.errors import RuntimeFailure
from filterkit.graph.loading import sandbox_worker
from filterkit.graph.loading.sandbox_worker import (
    CHECK,
    CONVERT,
    GREETING,
    HEADER,
    INFER,
    INFER_STRICTLY,
    INLINE,
    RESPONSE,
)


class Failed(Exception):
    """onnx rejects the model, with the message of this exception, or crashes on it."""


def prepare() -> None:
    """Start the process, if none is running, without waiting for it to be ready."""
    _worker.prepare()


def check(model: onnx.ModelProto) -> None:
    """Run onnx's checker; raises Failed with its message if it rejects the model."""
    _request(CHECK, model)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined; raises Failed."""
    return _model(_request(INLINE, model))


def with_shapes(model: onnx.ModelProto, *, strict: bool = False) -> onnx.ModelProto:
    """The model with all types and shapes that can be inferred.

    Raises
    ------
    Failed
        The graph is inconsistent. Unless `strict`, most inconsistencies only leave shapes unknown.
    """
    return _model(_request(INFER_STRICTLY if strict else INFER, model))


def converted(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the standard operators of version `RECENT_OPSET`; raises Failed."""
    return _model(_request(CONVERT, model))


def _model(data: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise Failed("onnx returns a model that cannot be parsed") from error
    return model


def _request(task: int, model: onnx.ModelProto) -> bytes:
    try:
        return _worker.request(task, model.SerializeToString())
    except Refused as error:
        raise Failed(str(error)) from error
    except Crashed as error:
        raise Failed("onnx crashes on it") from error


def _command() -> list[str]:
    extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
    assert extension is not None and extension.origin is not None
    return [sys.executable or "", "-I", "-S", sandbox_worker.__file__, extension.origin]


LONGEST = 20
"""Seconds for any request; most graphs are sent without their weights."""
PACE = 1 << 24
"""Bytes of a request that allow one second more; nested bodies are sent with their weights."""

LONGEST_RESPONSE = 1 << 28
"""Bytes beyond four times the request; a short request may lead to a shape of any number of axes."""


class Refused(Exception):
    """The worker process rejected a request; the message gives its reason."""


class Crashed(Exception):
    """The worker process crashed during a request, or exceeded its time limit: then `late` is True."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


_workers: WeakSet[Worker] = WeakSet()


@dataclass(eq=False)
class Worker:
    """A worker process, started when needed.

    Attributes
    ----------
    command
        Returns the command line that starts it. It must follow the protocol of `sandbox_worker.serve`.
    environment
        Returns its environment; None for this process's.
    patience
        Factor on the wall-clock seconds allowed for a request.
    charged
        CPU time in seconds charged to the budget while it runs; once it has ended, the system counts it all.
    """

    command: Callable[[], list[str]]
    environment: Callable[[], Mapping[str, str]] | None = None
    patience: float = 1.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    process: subprocess.Popen[bytes] | None = None
    greeted: bool = False
    charged: float = 0.0

    def __post_init__(self) -> None:
        _workers.add(self)

    def prepare(self) -> None:
        """Start the process, if none is running, without waiting for it to be ready."""
        with self.lock:
            self._running()

    def request(
        self,
        task: int,
        data: bytes,
        *,
        seconds: float | None = None,
        most: int | None = None,
        continues: bool = False,
    ) -> bytes:
        """Send a request, and return the response.

        Parameters
        ----------
        seconds
            Limit on the wall-clock time; None for one that depends on the length of `data`.
        most
            Limit on the length of the response; None likewise.
        continues
            The response depends on earlier requests: if the process has ended since, it has crashed, and a
            new one would not know them.

        Raises
        ------
        Refused
            The process rejected the request.
        Crashed
            The process crashed, or exceeded its time limit.
        RuntimeFailure
            A Python child process cannot be started.
        """
        with self.lock:
            if continues and (self.process is None or self.process.poll() is not None):
                raise Crashed(late=self.end())
            process = self._running()
            if seconds is None:
                seconds = self.patience * (LONGEST + len(data) / PACE)
            if most is None:
                most = LONGEST_RESPONSE + 4 * len(data)
            begun = time.monotonic()
            timer = threading.Timer(seconds, process.kill)
            timer.daemon = True
            try:
                timer.start()
                self._await_greeting(process)
                refused, response = self._exchange(process, task, data, seconds, most)
            except (OSError, EOFError) as error:
                late = self.end()
                raise Crashed(late=late or time.monotonic() - begun >= seconds) from error
            except BaseException:  # after an interruption, the next request would read this response
                self.end()
                raise
            finally:
                timer.cancel()
        if refused:
            raise Refused(response.decode("utf-8", "replace"))
        return response

    def end(self) -> bool:
        """End the process, if one is running; True if its CPU time limit had ended it before."""
        late = False
        if self.process is not None:
            self.process.kill()
            late = self.process.wait() == -getattr(signal, "SIGXCPU", 0)
            budget.charge(-self.charged)
            for pipe in (self.process.stdin, self.process.stdout):
                with suppress(OSError):  # unsent data cannot be flushed
                    assert pipe is not None
                    pipe.close()
        self.process, self.greeted, self.charged = None, False, 0.0
        return late

    def detach(self) -> None:
        """Detach from the process after a fork: it keeps serving the parent process only."""
        if self.process is not None:
            self.process.returncode = 0  # only the parent may wait for it
        self.process, self.greeted, self.lock = None, False, threading.Lock()
        self.charged = 0.0

    def _await_greeting(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a new process is ready; if it never is, that is not the model's fault."""
        if not self.greeted:
            assert process.stdout is not None
            if process.stdout.read(len(GREETING)) != GREETING:
                raise no_python(RuntimeFailure, "it does not respond")
            self.greeted = True

    def _exchange(
        self, process: subprocess.Popen[bytes], task: int, data: bytes, seconds: float, most: int
    ) -> tuple[bool, bytes]:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(HEADER.pack(task, len(data), seconds))
        process.stdin.write(data)
        process.stdin.flush()
        header = process.stdout.read(RESPONSE.size)
        if len(header) < RESPONSE.size:
            raise EOFError
        refused, length, used = RESPONSE.unpack(header)
        budget.charge(used)
        self.charged += used
        if length > most:
            raise EOFError
        response = process.stdout.read(length)
        if len(response) < length:
            raise EOFError
        return bool(refused), response

    def _running(self) -> subprocess.Popen[bytes]:
        """The process; a new one if it has ended or was never started."""
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


def _detach_all() -> None:
    for worker in _workers:
        worker.detach()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_all)


_worker = Worker(_command)
