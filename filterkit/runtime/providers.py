"""What ONNX Runtime can really run on: the processor always, CUDA only where a session proves it.

``onnxruntime.get_available_providers()`` lists CUDA wherever the wheel was built with it, and a session
that asks for it falls back to the processor with a line on stderr. So a tiny session that may not fall back
decides.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from filterkit.errors import RuntimeFailure, UsageError, closest

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
INSTALL_CUDA = "pip install 'cnn-filterkit[cuda]'"


class Choice(NamedTuple):
    """Where a session runs: its short name, and the providers in ONNX Runtime's words, in order."""

    name: str
    providers: tuple[str, ...]


def onnx_runtime() -> ModuleType:
    """The `onnxruntime` module, once it is known to be whole.

    Raises
    ------
    RuntimeFailure
        It is missing or cannot be loaded, or `onnxruntime` and `onnxruntime-gpu` have overwritten each other.
    """
    mend = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --force-reinstall cnn-filterkit"
    try:
        import onnxruntime
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeFailure(f"ONNX Runtime cannot be loaded: {reason}", hint=mend) from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise RuntimeFailure(
            "the installation of ONNX Runtime is broken:"
            " the packages onnxruntime and onnxruntime-gpu overwrite each other",
            hint=mend,
        )
    return onnxruntime  # type: ignore[no-any-return]


def probe() -> dict[str, dict[str, Any]]:
    """Which providers are usable on this machine; found once per process.

    Returns
    -------
    dict
        ``{"cpu": {"usable": bool, "reason": str | None}, "cuda": {…}}``; `reason` says what is missing.
    """
    try:
        onnx_runtime()
    except RuntimeFailure as error:
        return {name: {"usable": False, "reason": error.message} for name in ("cpu", "cuda")}
    reasons = {"cpu": None, "cuda": _why_no_cuda()}
    return {name: {"usable": reason is None, "reason": reason} for name, reason in reasons.items()}


def choose(provider: str = "auto") -> Choice:
    """Where to run: ``"auto"`` is CUDA where it really works, else the processor.

    Raises
    ------
    RuntimeFailure
        ``"cuda"`` on a machine where CUDA does not work; says what is missing.
    UsageError
        No such provider.
    """
    if provider not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown provider '{provider}'", hint=closest(provider, ("auto", "cpu", "cuda")))
    onnx_runtime()
    reason = None if provider == "cpu" else _why_no_cuda()
    if provider == "cuda" and reason is not None:
        mend = "install NVIDIA's driver" if "driver" in reason else INSTALL_CUDA
        raise RuntimeFailure(f"CUDA cannot be used: {reason}", hint=f"{mend}, or --provider cpu")
    if provider == "cpu" or reason is not None:
        return Choice("cpu", (CPU,))
    # Nodes that CUDA has no kernel for (mostly shape arithmetic) run on the processor.
    return Choice("cuda", (CUDA, CPU))


@functools.cache
def _why_no_cuda() -> str | None:
    """What keeps CUDA from running here, or None where a session ran on it."""
    import numpy as np

    onnxruntime = onnx_runtime()
    if CUDA not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime has no CUDA"
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    model = _tiny_convolution()

    def attempt() -> None:
        if hasattr(onnxruntime, "preload_dlls"):  # finds CUDA and cuDNN that were installed with pip
            onnxruntime.preload_dlls()
        session = onnxruntime.InferenceSession(model, options, providers=[CUDA], enable_fallback=0)
        session.run(None, {"x": np.zeros((1, 1, 8, 8), np.float32)})

    failure, words = _quietly(attempt)
    return None if failure is None else _reason(failure, words)


def _tiny_convolution() -> bytes:
    from onnx import TensorProto, helper

    node = helper.make_node("Conv", ["x", "w"], ["y"])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 3, 3], [1.0] * 9)
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 6, 6])
    graph = helper.make_graph([node], "probe", [picture], [output], [weights])
    opsets = [helper.make_opsetid("", 13)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def _reason(failure: Exception, words: str) -> str:
    """The library that is missing, from ONNX Runtime's own words, else its error in one line."""
    missing = re.search(r"(\S+\.(?:so|dll)[.\d]*): cannot open shared object file", words)
    if missing and missing[1].startswith("libcuda.so"):
        return f"there is no NVIDIA driver (the library {missing[1]} cannot be found)"
    if missing:
        return f"the library {missing[1]} cannot be found"
    missing = re.search(r"when trying to load \"?([^\"\n]+\.dll)", words)
    if missing:
        return f"{missing[1]}, or a library it needs, cannot be loaded"
    cause = re.search(r"CUDA failure \d+: ([^;\n]+)", f"{failure} {words}")
    if cause:
        return cause[1].strip()
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(failure).split()))[:200]


def _quietly(action: Callable[[], None]) -> tuple[Exception | None, str]:
    """Run `action`; return what it raised, and what Python and C++ wrote to stdout and stderr meanwhile."""
    said = io.StringIO()
    with tempfile.TemporaryFile() as caught:
        failure: Exception | None = None
        with contextlib.redirect_stdout(said), _stderr_into(caught.fileno()):
            try:
                action()
            except Exception as error:  # whatever ONNX Runtime raises means: not usable
                failure = error
        caught.seek(0)
        return failure, caught.read().decode(errors="replace") + said.getvalue()


@contextlib.contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """Point the process's own stderr elsewhere: ONNX Runtime writes to it from C++."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    try:
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
