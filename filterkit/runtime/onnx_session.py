"""Opening and running ONNX Runtime sessions, with its errors said in one line."""

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
"""Characters of an error that are looked at: it may repeat what a model holds."""

STILL_WORKS = "its filters can still be listed, drawn and exported"


def open_session(
    model: onnx.ModelProto, choice: Choice, *, threads: int | None = None, folder: Path | None = None
) -> Any:
    """An ONNX Runtime session of `model`.

    Parameters
    ----------
    model
        At most 2 GB without its external data.
    choice
        From `filterkit.runtime.providers.choose`.
    threads
        Of one operator; None leaves it to ONNX Runtime.
    folder
        Where the model's external data lies.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    RuntimeFailure
        ONNX Runtime does not take the model, or does not run it where `choice` says.
    UsageError
        `threads` is not positive.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be 1 or more, not {threads}")
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; nothing is to be written on stderr as well
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
    except Exception as error:  # its exceptions share no base class, and protobuf's differ by version
        raise explain(error, "opening the model") from error
    if choice.name == "cuda" and CUDA not in session.get_providers():
        raise RuntimeFailure("ONNX Runtime did not take up CUDA for this model", hint="--provider cpu")
    return session


def run(
    session: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[Any]]:
    """Run a session; `outputs` in the order wanted.

    Raises
    ------
    RuntimeFailure
        The network cannot take these inputs.
    """
    try:
        return list(session.run(list(outputs), dict(inputs)))
    except Exception as error:
        raise explain(error, "running the model") from error


def explain(error: Exception, doing: str) -> RuntimeFailure:
    """ONNX Runtime's error in one line, without its codes and C++ places, with a hint where there is one."""
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
        "ONNX Runtime has no operator {1} of domain {0}, so the network cannot be run",
        STILL_WORKS,
    ),
    (
        r"No Op registered for (\w+) with domain_version of (\d+)",
        "ONNX Runtime has no operator {0} in opset {1}, so the network cannot be run",
        STILL_WORKS,
    ),
    (
        r"Could not find an implementation for (\w+)\(\d+\) node with name '(.*?)'",
        "ONNX Runtime has no implementation of {0} for the types of node '{1}'",
        STILL_WORKS,
    ),
    (
        r"Opset (\d+) is under development .* till opset (\d+)",
        "the model is written in opset {0}; this ONNX Runtime knows opsets up to {1}",
        "pip install --upgrade cnn-filterkit onnxruntime-gpu",
    ),
    (
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        "the model has ONNX IR version {0}; this ONNX Runtime knows versions up to {1}",
        "pip install --upgrade cnn-filterkit onnxruntime-gpu",
    ),
    (
        r"(?:Failed to allocate memory|bad_alloc|out of memory|bad allocation)",
        "there is not enough memory to run the network on this input",
        "take a smaller picture, fewer pictures at a time, or fewer layers",
    ),
)
