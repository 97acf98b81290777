"""Parse the text after ``torch:``; the request to the exporting process, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filterkit

PROGRAMS = (".pt2",)
SCRIPTS = (".pt", ".pth")
_GRAMMAR = "write torch:MODULE:CALLABLE?argument=value, torch:FILE.pt2 or torch:FILE.pt"


@dataclass(frozen=True, slots=True)
class Request:
    """What to export, and where to write it.

    Attributes
    ----------
    module, name
        A Python module, and the callable in it, e.g. ``"torchvision.models"``, ``"resnet18"``.
    file
        Instead of these, the path of an exported program or of TorchScript.
    arguments
        Of the call, as written.
    checkpoint
        Path of the weights to load into the network, or None.
    input_shape
        Channels, height and width of one picture, or None to derive them from the network.
    seed
        Of all random numbers: set before the module is imported, and again before the call.
    onnx, answer
        Paths to write: the model, and an `Answer`.
    """

    module: str | None
    name: str | None
    file: str | None
    arguments: dict[str, str]
    checkpoint: str | None
    input_shape: tuple[int, ...] | None
    seed: int
    onnx: str
    answer: str

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return Path(self.file).name if self.file else f"{self.module}:{self.name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a request.

    Attributes
    ----------
    layer_names
        From a node's name to the name of its module.
    misused, message, hint
        If it failed: whether the request was wrong, and what to report to the user.
    widened
        Whether the network had bfloat16 numbers, which were converted to float32.
    """

    torch: str = ""
    layer_names: dict[str, str] | None = None
    misused: bool = False
    message: str | None = None
    hint: str | None = None
    widened: bool = False


def parse(ref: str, workdir: Path) -> Request:
    """Parse the text after ``torch:``.

    Raises
    ------
    filterkit.UsageError
        If it has none of the forms, or an option is invalid.
    filterkit.SourceError
        If a file does not exist.
    """
    what, given = filterkit.split_options(ref)
    suffix = Path(what).suffix.lower()
    is_file = suffix in PROGRAMS + SCRIPTS
    module, colon, name = what.partition(":")
    if not is_file and not (colon and module and name):
        raise filterkit.UsageError(f"'torch:{what}' does not name a PyTorch network", hint=_GRAMMAR)
    known = ("input", "seed", "checkpoint") if not is_file else ("input",) if suffix in SCRIPTS else ()
    own = {key: given.pop(key) for key in known if key in given}
    if is_file and given:
        raise filterkit.UsageError(
            f"a {suffix} file has no option '{next(iter(given))}'",
            hint="it has input=CHANNELSxHEIGHTxWIDTH" if known else "it has no options",
        )
    folder = workdir.absolute()
    return Request(
        module=None if is_file else module,
        name=None if is_file else name,
        file=_existing(what) if is_file else None,
        arguments=given,
        checkpoint=_existing(own["checkpoint"]) if "checkpoint" in own else None,
        input_shape=_read(own, "input", _shape, None),
        seed=_read(own, "seed", _seed, 0),
        onnx=str(folder / f"{_stem(what)}.onnx"),
        answer=str(folder / "answer.json"),
    )


def _existing(text: str) -> str:
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise filterkit.SourceError(f"there is no file '{text}'")
    return str(path)


def _stem(what: str) -> str:
    return Path(what).stem.rpartition(":")[2] or "model"


def _read(given: dict[str, str], key: str, reader: Callable[[str], Any], default: Any) -> Any:
    if key not in given:
        return default
    try:
        return reader(given[key])
    except ValueError as error:
        raise filterkit.UsageError(f"invalid option {key}={given[key]} of torch", hint=str(error)) from None


def _shape(text: str) -> tuple[int, ...]:
    sizes = [int(part) if part.isdecimal() else 0 for part in text.lower().split("x")]
    if min(sizes) < 1:
        raise ValueError("input must be CHANNELSxHEIGHTxWIDTH, e.g. input=3x224x224")
    return tuple(sizes)


def _seed(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**32):
        raise ValueError("seed must be a whole number from 0 to 4294967295")
    return int(text)
