"""Build or load a Keras model and export it to ONNX, in a subprocess.

Run as ``python -P -m filterkit.sources.keras_export REQUEST.json``. A subprocess because Keras fixes its
backend at import, writes to standard output and holds on to gigabytes of memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRACE = 5
"""Seconds of CPU time between SIGXCPU and SIGKILL."""

FREE_SIZE = 224
"""Height and width used to export a model of variable size; they are made free again afterwards."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to export, and where to write it.

    Attributes
    ----------
    application, file
        A name in ``keras.applications``, or the path of a ``.keras`` or ``.h5`` file; exactly one is set.
    weights
        ``"imagenet"``, a path, or None for random weights; applications only.
    input_size
        Height and width of the export in pixels, or None for those in the file.
    onnx, answer
        Paths to write: the model, and an `Answer`.
    seconds, memory
        Limits on CPU time in seconds and on memory in bytes; None for no limit.
    """

    application: str | None
    file: str | None
    weights: str | None
    include_top: bool
    input_size: int | None
    seed: int
    onnx: str
    answer: str
    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an export.

    Attributes
    ----------
    keras
        Keras's version.
    kernels
        Name and fingerprint of every kernel of the model, in the order of its layers.
    stage, error, message
        On failure: the stage (``"build"`` or ``"export"``), and the class and message of the exception.
    """

    keras: str
    kernels: tuple[tuple[str, str], ...] = ()
    stage: str | None = None
    error: str | None = None
    message: str | None = None


def main(request_path: str) -> None:
    """Process the request in the file at `request_path`."""
    request = Request(**json.loads(Path(request_path).read_text("utf-8")))
    limit(request.seconds, request.memory)
    import keras

    stage = "build"
    try:
        keras.utils.set_random_seed(request.seed)
        model = _load(request) if request.file else _build(request)
        stage = "export"
        _export(model, request)
        answer = Answer(keras.__version__, tuple(_kernels(model)))
    except Exception as error:  # any error is reported to the parent process
        answer = Answer(keras.__version__, (), stage, type(error).__name__, str(error))
    Path(request.answer).write_text(json.dumps(asdict(answer)), "utf-8")


def limit(seconds: float | None, memory: int | None) -> None:
    """Limit CPU time (SIGXCPU) and memory of this process, where the system supports it.

    Only writable data counts as memory, not reserved addresses or mapped files.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        if seconds is not None:
            whole = math.ceil(seconds) or 1
            resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + GRACE))
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _build(request: Request) -> Any:
    import keras

    size = request.input_size
    return getattr(keras.applications, str(request.application))(
        weights=request.weights, include_top=request.include_top, input_shape=(size, size, 3)
    )


def _load(request: Request) -> Any:
    import keras

    return keras.saving.load_model(request.file, compile=False, safe_mode=True)


def _export(model: Any, request: Request) -> None:
    """Export with Keras for one picture of a fixed size.

    With a dynamic batch size Keras falls back to tracing, which writes hundreds of no-op casts and fails on
    strided separable convolutions.
    """
    import keras
    import numpy as np

    size = request.input_size or FREE_SIZE
    signature = [
        keras.InputSpec(
            shape=(1, *(size if axis is None else axis for axis in tensor.shape[1:])),
            dtype=tensor.dtype,
            name=tensor.name,
        )
        for tensor in model.inputs
    ]
    samples = [np.zeros(spec.shape, spec.dtype) for spec in signature]
    model(samples[0] if len(samples) == 1 else samples)
    model.export(request.onnx, format="onnx", verbose=False, input_signature=signature)


def _kernels(model: Any) -> list[tuple[str, str]]:
    """Name and fingerprint of every weight with two or more axes (convolutions and dense layers).

    The weights of a layer with two of them (a separable convolution) get a suffix:
    ``block2_sepconv1_depthwise``. Layers that share a name (the ``query`` of every attention) are qualified
    by the enclosing layer: ``attention_1/query``.
    """
    found: dict[int, tuple[str, str, Any]] = {}
    for layer in model._flatten_layers(include_self=False):
        kernels = [variable for variable in layer.weights if len(variable.shape) >= 2]
        for variable in kernels:
            part = variable.name.removesuffix("kernel").strip("_")
            ending = f"_{part}" if part and len(kernels) > 1 else ""
            # Later layers are nested deeper, and thus closer to the variable.
            found[id(variable)] = (layer.name, ending, variable)
    count = Counter(layer + ending for layer, ending, _ in found.values())
    return [
        (
            (layer if count[layer + ending] == 1 else variable.path.rpartition("/")[0]) + ending,
            fingerprint(variable.numpy()),
        )
        for layer, ending, variable in found.values()
    ]


def fingerprint(weights: NDArray[Any]) -> str:
    """Hash of the sorted values of `weights`: the same for any order of the axes.

    It identifies the weights of a layer in the exported graph, whose axes are in another order.

    Returns
    -------
    str
        The number of values, and the SHA-256 of them as float32 in ascending order.
    """
    import numpy as np

    numbers = np.sort(np.asarray(weights, np.float32), axis=None)
    return f"{numbers.size}:{hashlib.sha256(numbers.data).hexdigest()}"


def size_of(mark: str) -> int:
    """The number of values that a `fingerprint` was computed from."""
    return int(mark.partition(":")[0])


if __name__ == "__main__":
    main(sys.argv[1])
