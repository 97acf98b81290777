"""Open and run ONNX Runtime sessions, with its errors reduced to one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import RuntimeFailure, UsageError
from filterkit.graph.loading.names import shown
from filterkit.runtime.providers import CUDA, Choice, onnx_runtime

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

LONGEST = 2000
"""Maximum number of characters of an error to process, as it may quote large parts of a model."""

STILL_WORKS = "its filters can still be listed, drawn and exported"


def open_session(
    model: onnx.ModelProto, choice: Choice, *, threads: int | None = None, folder: Path | None = None
) -> Any:
    """An ONNX Runtime session of `model`.

    Parameters
    ----------
    model
        At most 2 GB, without external data.
    choice
        From `filterkit.runtime.providers.choose`.
    threads
        Threads per operator; None for ONNX Runtime's default.
    folder
        Folder of the model's external data.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    RuntimeFailure
        If ONNX Runtime rejects the model, or cannot run it on the chosen provider.
    UsageError
        If `threads` is not positive.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; do not write them to stderr as well
    if threads is not None:
        options.intra_op_num_threads = threads
    if folder is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(folder.resolve())
        )
    try:
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(
            content, options, providers=list(choice.providers), enable_fallback=0
        )
    except Exception as error:  # no common base class, and protobuf's errors differ by version
        raise explain(error, "opening the model") from error
    if choice.name == "cuda" and CUDA not in session.get_providers():
        raise RuntimeFailure("ONNX Runtime did not use CUDA for this model", hint="--provider cpu")
    return session


def run(
    session: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[Any]]:
    """Run a session and return the `outputs` in this order.

    Raises
    ------
    RuntimeFailure
        If ONNX Runtime fails, e.g. because the inputs do not match.
    """
    try:
        return list(session.run(list(outputs), dict(inputs)))
    except Exception as error:
        raise explain(error, "running the model") from error


def explain(error: Exception, doing: str) -> RuntimeFailure:
    """ONNX Runtime's error in one line, without codes and C++ locations, with a hint if possible."""
    text = " ".join(str(error)[:LONGEST].split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(
        r"^(?:Exception during \w+: )?/\S+\.(?:cc|h|cpp|cu):\d+ .*?\([^()]*\)(?: const)? ", "", text
    )
    for pattern, message, hint in _KNOWN:
        found = re.search(pattern, text)
        if found:
            return RuntimeFailure(message.format(*map(shown, found.groups())), hint=hint)
    return RuntimeFailure(
        f"ONNX Runtime failed {doing}: {shown(text, 240) or type(error).__name__}", hint=STILL_WORKS
    )


_KNOWN: tuple[tuple[str, str, str | None], ...] = (
    (
        r"(\S+):(\w+)\(-?\d+\) is not a registered function/op",
        "cannot run the network: ONNX Runtime has no operator {1} of domain {0}",
        STILL_WORKS,
    ),
    (
        r"No Op registered for (\w+) with domain_version of (\d+)",
        "cannot run the network: ONNX Runtime has no operator {0} in opset {1}",
        STILL_WORKS,
    ),
    (
        r"Could not find an implementation for (\w+)\(\d+\) node with name '(.*?)'",
        "ONNX Runtime has no implementation of {0} for the types of node '{1}'",
        STILL_WORKS,
    ),
    (
        r"Opset (\d+) is under development .* till opset (\d+)",
        "the model uses opset {0}; this version of ONNX Runtime supports opsets up to {1}",
        "pip install --upgrade cnn-filterkit onnxruntime-gpu",
    ),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "the model has ONNX IR version {0}; this version of ONNX Runtime supports versions up to {1}",
        "pip install --upgrade cnn-filterkit onnxruntime-gpu",
    ),
    (
        r"(?:Failed to allocate memory|bad_alloc|out of memory|bad allocation)",
        "not enough memory to run the network on this input",
        "use a smaller picture, fewer pictures at a time, or fewer layers",
    ),
)
