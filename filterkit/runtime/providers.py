"""Execution providers that work: the CPU always, CUDA only if a probe session succeeds.

``onnxruntime.get_available_providers()`` lists CUDA whenever the wheel was built with it, and a session that
requests it falls back to the CPU with a line on stderr. Therefore, a small session without fallback is run
as a probe.
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

from filterkit.child_processes import NO_TELEMETRY
from filterkit.errors import RuntimeFailure, UsageError, closest

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
INSTALL_CUDA = "pip install 'cnn-filterkit[cuda]'"


class Choice(NamedTuple):
    """The chosen provider: its short name, and ONNX Runtime's names of the providers, in order."""

    name: str
    providers: tuple[str, ...]


def onnx_runtime() -> ModuleType:
    """The `onnxruntime` module, without its telemetry, after checking that its installation is intact.

    Raises
    ------
    RuntimeFailure
        If it is missing or cannot be loaded, or `onnxruntime` and `onnxruntime-gpu` overwrote each other.
    """
    fix = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --force-reinstall cnn-filterkit"
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
    try:
        import onnxruntime
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeFailure(f"cannot load ONNX Runtime: {reason}", hint=fix) from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise RuntimeFailure(
            "the installation of ONNX Runtime is broken:"
            " the packages onnxruntime and onnxruntime-gpu overwrite each other",
            hint=fix,
        )
    return onnxruntime  # type: ignore[no-any-return]


def probe() -> dict[str, dict[str, Any]]:
    """Which providers are usable on this machine; probed once per process.

    Returns
    -------
    dict
        ``{"cpu": {"usable": bool, "reason": str | None}, "cuda": {…}}``; `reason` states what is missing.
    """
    try:
        onnx_runtime()
    except RuntimeFailure as error:
        return {name: {"usable": False, "reason": error.message} for name in ("cpu", "cuda")}
    reasons = {"cpu": None, "cuda": _why_no_cuda()}
    return {name: {"usable": reason is None, "reason": reason} for name, reason in reasons.items()}


def choose(provider: str = "auto") -> Choice:
    """Choose a provider: ``"auto"`` is CUDA if it works, else the CPU.

    Raises
    ------
    RuntimeFailure
        For ``"cuda"`` on a machine where CUDA does not work; states what is missing.
    UsageError
        If the provider is unknown.
    """
    if provider not in ("auto", "cpu", "cuda"):
        raise UsageError(f"unknown provider '{provider}'", hint=closest(provider, ("auto", "cpu", "cuda")))
    onnx_runtime()
    reason = None if provider == "cpu" else _why_no_cuda()
    if provider == "cuda" and reason is not None:
        fix = "install the NVIDIA driver" if "driver" in reason else INSTALL_CUDA
        raise RuntimeFailure(f"CUDA is not available: {reason}", hint=f"{fix}, or use --provider cpu")
    if provider == "cpu" or reason is not None:
        return Choice("cpu", (CPU,))
    # Nodes without a CUDA kernel (mostly shape arithmetic) run on the CPU.
    return Choice("cuda", (CUDA, CPU))


@functools.cache
def _why_no_cuda() -> str | None:
    """Why CUDA does not work, or None if a session ran on it."""
    import numpy as np

    onnxruntime = onnx_runtime()
    if CUDA not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime does not support CUDA"
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    model = _tiny_convolution()

    def attempt() -> None:
        if hasattr(onnxruntime, "preload_dlls"):  # finds CUDA and cuDNN installed with pip
            onnxruntime.preload_dlls()
        session = onnxruntime.InferenceSession(model, options, providers=[CUDA], enable_fallback=0)
        session.run(None, {"x": np.zeros((1, 1, 8, 8), np.float32)})

    failure, log = _quietly(attempt)
    return None if failure is None else _reason(failure, log)


def _tiny_convolution() -> bytes:
    from onnx import TensorProto, helper

    node = helper.make_node("Conv", ["x", "w"], ["y"])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 3, 3], [1.0] * 9)
    picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 6, 6])
    graph = helper.make_graph([node], "probe", [picture], [output], [weights])
    opsets = [helper.make_opsetid("", 13)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def _reason(failure: Exception, log: str) -> str:
    """The missing library, parsed from ONNX Runtime's output, else its error in one line."""
    missing = re.search(r"(\S+\.(?:so|dll)[.\d]*): cannot open shared object file", log)
    if missing and missing[1].startswith("libcuda.so"):
        return f"no NVIDIA driver found (library {missing[1]} is missing)"
    if missing:
        return f"library {missing[1]} is missing"
    missing = re.search(r"when trying to load \"?([^\"\n]+\.dll)", log)
    if missing:
        return f"cannot load {missing[1]} or one of its dependencies"
    cause = re.search(r"CUDA failure \d+: ([^;\n]+)", f"{failure} {log}")
    if cause:
        return cause[1].strip()
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(failure).split()))[:200]


def _quietly(action: Callable[[], None]) -> tuple[Exception | None, str]:
    """Run `action`; return its exception and what Python and C++ code wrote to stdout and stderr."""
    output = io.StringIO()
    with tempfile.TemporaryFile() as caught:
        failure: Exception | None = None
        with contextlib.redirect_stdout(output), _stderr_into(caught.fileno()):
            try:
                action()
            except Exception as error:  # any error means that the provider is not usable
                failure = error
        caught.seek(0)
        return failure, caught.read().decode(errors="replace") + output.getvalue()


@contextlib.contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """Redirect the stderr descriptor, to which ONNX Runtime writes from C++."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    try:
        os.dup2(descriptor, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
