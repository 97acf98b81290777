"""What onnx does in C++, its checker, its inliner and its shape inference, in a process of their own.

A graph that they do not expect can make them abort, hang or take all memory: onnx is built with assertions,
and one of them fails where a Slice meets an axis whose size was inferred to be negative. That ends the other
process, not this one, and the next graph gets a new one. A bare Python with onnx's extension starts in some
30 ms, while a model is read, and is kept until this process ends.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from filterkit import budget
from filterkit.errors import RuntimeFailure
from filterkit.graph import native_worker
from filterkit.graph.native_worker import (
    ANSWER,
    CHECK,
    GREETING,
    HEADER,
    INFER,
    INFER_STRICTLY,
    INLINE,
    patience,
)

LONGEST_ANSWER = 1 << 28
"""Bytes beyond four times the graph's; few bytes may ask for a shape of any number of axes."""


class Failed(Exception):
    """onnx refuses the model, in the words of the exception, or does not survive it."""


def prepare() -> None:
    """Let the process start, where none runs, while something else is done."""
    with _worker.lock:
        _started()


def check(model: onnx.ModelProto) -> None:
    """Run onnx's checker; raises Failed with what it says against the model."""
    _ask(CHECK, model)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions in the place of their calls; raises Failed."""
    return _model(_ask(INLINE, model))


def with_shapes(model: onnx.ModelProto, *, strict: bool = False) -> onnx.ModelProto:
    """The model with all types and shapes that can be told.

    Raises
    ------
    Failed
        The graph contradicts itself. Unless `strict`, most contradictions only leave shapes out.
    """
    return _model(_ask(INFER_STRICTLY if strict else INFER, model))


def _model(data: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise Failed("onnx makes something unreadable of it") from error
    return model


@dataclass
class _Worker:
    """The other process, where there is one; it may start in a plugin's hook, where no module may change."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    process: subprocess.Popen[bytes] | None = None
    greeted: bool = False
    charged: float = 0.0
    """CPU time in seconds that was counted while it lived; the system counts all of it once it has ended."""


_worker = _Worker()


def _ask(task: int, model: onnx.ModelProto) -> bytes:
    data = model.SerializeToString()
    with _worker.lock:
        process = _started()
        alarm = threading.Timer(patience(len(data)), process.kill)
        alarm.daemon = True
        try:
            alarm.start()
            _greet(process)
            refused, answer = _exchange(process, task, data)
        except (OSError, EOFError) as error:
            _end()
            raise Failed("onnx breaks down over it") from error
        except BaseException:  # interrupted halfway, the next answer would be this one's
            _end()
            raise
        finally:
            alarm.cancel()
    if refused:
        raise Failed(answer.decode("utf-8", "replace"))
    return answer


def _greet(process: subprocess.Popen[bytes]) -> None:
    """Wait for a new process to work: one that never does, the model has no part in."""
    if not _worker.greeted:
        assert process.stdout is not None
        if process.stdout.read(len(GREETING)) != GREETING:
            raise _no_python()
        _worker.greeted = True


def _no_python(reason: str = "it does not answer") -> RuntimeFailure:
    return RuntimeFailure(
        f"Python cannot be started a second time: {reason}",
        hint=f"sys.executable is '{sys.executable or ''}'; is that Python, with onnx, and is there memory?",
    )


def _exchange(process: subprocess.Popen[bytes], task: int, data: bytes) -> tuple[bool, bytes]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(HEADER.pack(task, len(data)))
    process.stdin.write(data)
    process.stdin.flush()
    header = process.stdout.read(ANSWER.size)
    if len(header) < ANSWER.size:
        raise EOFError
    refused, length, seconds = ANSWER.unpack(header)
    budget.charge(seconds)
    _worker.charged += seconds
    if length > LONGEST_ANSWER + 4 * len(data):
        raise EOFError
    answer = process.stdout.read(length)
    if len(answer) < length:
        raise EOFError
    return bool(refused), answer


def _started() -> subprocess.Popen[bytes]:
    """The process, a new one where it has ended."""
    if _worker.process is not None and _worker.process.poll() is not None:
        _end()
    if _worker.process is None:
        extension = importlib.util.find_spec("onnx.onnx_cpp2py_export")
        assert extension is not None and extension.origin is not None
        code = Path(native_worker.__file__)
        try:
            _worker.process = subprocess.Popen(
                [sys.executable or "", "-I", "-S", str(code), extension.origin],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _no_python(error.strerror or str(error)) from error
    return _worker.process


def _end() -> None:
    if _worker.process is not None:
        _worker.process.kill()
        _worker.process.wait()
        budget.charge(-_worker.charged)
        for pipe in (_worker.process.stdin, _worker.process.stdout):
            with suppress(OSError):  # what was still to be written
                assert pipe is not None
                pipe.close()
    _worker.process, _worker.greeted, _worker.charged = None, False, 0.0


def _forget() -> None:
    """In a fork of this process: the other process goes on to answer to this process's parent alone."""
    if _worker.process is not None:
        _worker.process.returncode = 0  # not ours to wait for
    _worker.process, _worker.greeted, _worker.lock = None, False, threading.Lock()
    _worker.charged = 0.0


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
