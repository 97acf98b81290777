"""The process in which onnx's C++ works (see `native`): a bare Python that knows onnx's extension alone.

    python -I -S sandbox_worker.py path/to/onnx_cpp2py_export.so

It says GREETING once it works. A request on stdin is the place of a task in `_tasks` and the length of a
model as a header, and that model. The answer on stdout is whether it was refused, a length and the CPU time
that it took as a header, and what came out or what onnx said against it.
"""

import faulthandler
import importlib.util
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

HEADER = struct.Struct("<BQ")
ANSWER = struct.Struct("<BQd")
GREETING = b"onnx works\n"

CHECK, INLINE, INFER, INFER_STRICTLY = range(4)

LONGEST = 20
"""Seconds that onnx may take for any graph; most come without their weights."""
PACE = 1 << 24
"""Bytes of a graph for which it may take one second more, where weights stand in its bodies."""

MEMORY = 4 << 30
"""Bytes for any graph; most come without their weights."""
COPIES = 6
"""How many copies of a graph there is room for besides, where weights stand in its bodies."""

LARGEST_ANSWER = 64 << 20
"""Bytes that may come out, and twice the graph's besides: shapes may have axes by the hundred thousand."""


def patience(length: int) -> float:
    """Seconds that onnx may take for a graph of so many bytes."""
    return LONGEST + length / PACE


def main() -> None:
    serve(_tasks(_extension(sys.argv[1])))


def serve(
    tasks: Sequence[Callable[[bytes], bytes | None]],
    memory: int = MEMORY,
    waited: Callable[[int], float] = patience,
) -> None:
    """Answer requests until there are no more.

    Each may take `memory` in bytes, and copies of what it comes with, and `waited` for its length in seconds.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process, with which this one ends
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(GREETING)
    answers.flush()
    while header := requests.read(HEADER.size):
        task, length = HEADER.unpack(header)
        limit(AS=memory + COPIES * length)
        faulthandler.dump_traceback_later(waited(length), exit=True)  # nobody else may be left to end it
        refused, answer, before = False, b"", time.process_time()
        try:
            answer = tasks[task](requests.read(length)) or b""
            if len(answer) > LARGEST_ANSWER + 2 * length:
                raise ValueError("what comes out is far larger than the model")
        except Exception as error:  # onnx raises many kinds on graphs that it does not like
            refused, answer = True, str(error).encode("utf-8", "replace")
        faulthandler.cancel_dump_traceback_later()
        answers.write(ANSWER.pack(refused, len(answer), time.process_time() - before))
        answers.write(answer)
        answers.flush()


def _extension(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("onnx.onnx_cpp2py_export", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tasks(native: Any) -> Sequence[Callable[[bytes], bytes | None]]:
    """What is called for each task, as onnx's own modules call it: onnx.checker, inliner, shape_inference."""
    return (
        lambda model: native.checker.check_model(model, False, False, False),
        lambda model: native.inliner.inline_local_functions(model, False),
        lambda model: native.shape_inference.infer_shapes(model, False, False, True),
        lambda model: native.shape_inference.infer_shapes(model, False, True, True),
    )


def limit(**most: int) -> None:
    """No more of what the system counts, e.g. ``AS=bytes, CPU=seconds``, and no core dump, where it can."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        for name, wanted in {"CORE": 0, **most}.items():
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (min(wanted, 2**62 if hard == resource.RLIM_INFINITY else hard), hard))


if __name__ == "__main__":
    main()
