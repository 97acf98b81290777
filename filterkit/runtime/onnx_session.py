"""Open and run ONNX Runtime sessions, validate their inputs, and report errors in one line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from filterkit.errors import RuntimeFailure, UsageError, check_number
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
    if threads is not None:
        check_number("threads", threads, whole=True)
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; do not write them to stderr as well
    # Threads that wait for the next operator are busy; after a run, they would take time from other work.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads is not None:
        options.intra_op_num_threads = int(threads)
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


_NUMPY_NAMES = {"float": "float32", "double": "float64"}
_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
PIXELS = frozenset(("float16", "float32", "float64", "bool", *_INTEGERS))
"""Dtypes of pictures that ONNX Runtime accepts from NumPy."""


class Input(NamedTuple):
    """One input: name, NumPy name of its dtype, and axes (a name or None for dynamic axes)."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        axes = " × ".join("?" if axis is None else shown(str(axis)) for axis in self.shape)
        return f"'{shown(self.name)}' ({self.dtype} {axes or 'scalar'})"


def inputs_of(session: Any) -> tuple[Input, ...]:
    """The inputs of an ONNX Runtime session."""
    found = []
    for given in session.get_inputs():
        kind = given.type.removeprefix("tensor(").removesuffix(")")
        found.append(Input(given.name, _NUMPY_NAMES.get(kind, kind), tuple(given.shape)))
    return tuple(found)


def check_type(entry: Input, taken: Collection[str] = PIXELS) -> None:
    """Raise RuntimeFailure if ONNX Runtime accepts no array for an input, e.g. for bfloat16."""
    if entry.dtype not in taken:
        raise RuntimeFailure(
            f"cannot feed input {entry}: ONNX Runtime does not accept {shown(entry.dtype)} arrays from NumPy",
            hint="export the network with float32 inputs; its filters can be listed, drawn and exported",
        )


def fitting(
    given: Mapping[str, NDArray[Any]], needed: Sequence[Input], known: Iterable[str]
) -> dict[str, NDArray[Any]]:
    """Validate the arrays `given` and return those that are `needed`.

    Parameters
    ----------
    known
        Names of all inputs of the whole network, of which an excerpt may need only some.

    Raises
    ------
    RuntimeFailure
        If a name is unknown or missing, or the dtype or shape of an array does not match.
    """
    takes = f"the network takes {', '.join(map(str, needed))}"
    names = {*known, *(entry.name for entry in needed)}
    for name in given:
        if name not in names:
            raise RuntimeFailure(f"the network has no input '{shown(name)}'", hint=takes)
    for entry in needed:
        if entry.name not in given:
            raise RuntimeFailure(f"missing input {entry}", hint=takes)
        check_type(entry, {*PIXELS, "string"})
        array = given[entry.name]
        if array.dtype.name != entry.dtype and not (entry.dtype == "string" and array.dtype.kind in "OU"):
            raise RuntimeFailure(f"input {entry} does not accept {array.dtype.name}", hint=takes)
        fits = len(array.shape) == len(entry.shape) and all(
            not isinstance(axis, int) or axis == size
            for axis, size in zip(entry.shape, array.shape, strict=True)
        )
        if not fits:
            shape = " × ".join(map(str, array.shape)) or "a scalar"
            raise RuntimeFailure(f"input {entry} does not accept shape {shape}", hint=takes)
    return {entry.name: given[entry.name] for entry in needed}


def cast(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Cast prepared pixels to the dtype of an input; integers are rounded and clipped."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        bounds = np.iinfo(kind)
        return np.clip(np.rint(values), bounds.min, bounds.max).astype(kind)
    return values.astype(kind, copy=False)
