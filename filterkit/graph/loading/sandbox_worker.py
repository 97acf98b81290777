"""The process that runs onnx's C++ code (see `sandbox`): a bare Python with nothing but onnx's extension.

    python -I -S sandbox_worker.py path/to/onnx_cpp2py_export.so

It writes GREETING once it is ready. A request on stdin is a header (the index of a task in `_tasks`, the
length of the model, and the seconds it may take) and the model. The response on stdout is a header (whether
the model was rejected, a length, and the CPU time used) and the result or onnx's error message.
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

HEADER = struct.Struct("<BQd")
RESPONSE = struct.Struct("<BQd")
GREETING = b"onnx works\n"

CHECK, INLINE, INFER, INFER_STRICTLY, CONVERT = range(5)

RECENT_OPSET = 18
"""The version of the standard operators that CONVERT converts to."""

MEMORY = 4 << 30
"""Bytes for any graph; most graphs are sent without their weights."""
COPIES = 6
"""Memory limit beyond `MEMORY`, in copies of the graph; nested bodies are sent with their weights."""

LARGEST_RESPONSE = 64 << 20
"""Bytes of a response, beyond twice the graph's: shapes may have hundreds of thousands of axes."""


def main() -> None:
    serve(_tasks(_extension(sys.argv[1])))


def serve(
    tasks: Sequence[Callable[[bytes], bytes | memoryview | None]],
    memory: int = MEMORY,
    largest: int = LARGEST_RESPONSE,
) -> None:
    """Respond to requests until stdin is closed.

    Each may use `memory` bytes and `COPIES` times its size; a response may have `largest` bytes and twice the
    size of the request.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process, with which this one ends
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    responses.write(GREETING)
    responses.flush()
    while header := requests.read(HEADER.size):
        task, length, seconds = HEADER.unpack(header)
        limit(AS=memory + COPIES * length)
        faulthandler.dump_traceback_later(seconds, exit=True)  # the parent process may have ended
        refused, before = False, time.process_time()
        response: bytes | memoryview = b""
        try:
            response = tasks[task](requests.read(length)) or b""
            if len(response) > largest + 2 * length:
                raise ValueError("the result is far larger than the model")
        except Exception as error:  # onnx raises many types of exceptions
            refused, response = True, str(error).encode("utf-8", "replace")
        faulthandler.cancel_dump_traceback_later()
        responses.write(RESPONSE.pack(refused, len(response), time.process_time() - before))
        responses.write(response)
        responses.flush()


def _extension(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("onnx.onnx_cpp2py_export", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tasks(native: Any) -> Sequence[Callable[[bytes], bytes | None]]:
    """The function for each task, called as onnx.checker, inliner and shape_inference call it."""
    return (
        lambda model: native.checker.check_model(model, False, False, False),
        lambda model: native.inliner.inline_local_functions(model, False),
        lambda model: native.shape_inference.infer_shapes(model, False, False, True),
        lambda model: native.shape_inference.infer_shapes(model, False, True, True),
        lambda model: native.version_converter.convert_version(model, RECENT_OPSET),
    )


def limit(**most: int) -> None:
    """Set resource limits where supported, e.g. ``AS=bytes, CPU=seconds``; disables core dumps as well."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        for name, wanted in {"CORE": 0, **most}.items():
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (min(wanted, 2**62 if hard == resource.RLIM_INFINITY else hard), hard))


if __name__ == "__main__":
    main()
