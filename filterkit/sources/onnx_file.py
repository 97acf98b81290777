"""`onnx:PATH`, and plain paths: an ONNX file that is there already."""

from __future__ import annotations

import shlex
from pathlib import Path

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.plugins.protocols import Progress
from filterkit.records import FetchedModel

MODEL_FILES = {
    ".onnx": "",
    ".keras": "keras:",
    ".h5": "keras:",
    ".safetensors": "weights:",
    ".npz": "weights:",
}
"""By suffix, what stands before the path of a file that holds a model; the first suffixes are named first."""


class OnnxFile:
    """Takes an ONNX file where it lies, with its external data beside it."""

    scheme = "onnx"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Point to the file at `ref`; whether it is ONNX at all is found when it is opened.

        Raises
        ------
        UsageError
            Where no path is given.
        NotFoundError
            Where there is no such file, or it is a folder.
        """
        if not ref:
            raise UsageError("no file is named", hint="filterkit add FILE.onnx")
        path = Path(ref).expanduser()
        refuse_folder(ref)
        if not path.exists():
            raise NotFoundError(f"there is no file '{ref}'", hint=_models_in(path.parent, path.name))
        if not path.is_file():
            raise NotFoundError(f"'{ref}' is not a file", hint="a pipe, a device or a socket holds no model")
        # The name alone: a catalog travels, and what stands above the file is nobody else's business.
        return FetchedModel(onnx_path=path.absolute(), origin=f"file {path.name}")


def refuse_folder(ref: str) -> None:
    """Raise NotFoundError where `ref` is a folder, with the model files in it."""
    path = Path(ref).expanduser()
    if not path.is_dir():
        return
    from filterkit.graph.loading.file_kinds import folder_kind

    if (kind := folder_kind(path)) is not None:
        raise NotFoundError(f"'{ref}' is not an ONNX file but {kind.what}", hint=kind.hint)
    raise NotFoundError(f"'{ref}' is a folder, and models are added one file at a time", hint=_to_add(path))


def _to_add(folder: Path) -> str:
    """A hint that adds a model file of `folder`; a second is named so that nobody takes it for all."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in MODEL_FILES)
    except OSError:
        return f"the folder '{folder}' cannot be read"
    order = [*MODEL_FILES]
    files.sort(key=lambda path: order.index(path.suffix.lower()))
    schemes = (MODEL_FILES[path.suffix.lower()] + str(path) for path in files[:2])
    commands = [f"`filterkit add {shlex.quote(ref)}`" for ref in schemes]
    more = " and so on" * (len(files) > 2)
    return ", then ".join(commands) + more if files else f"the folder '{folder}' holds no ONNX file"


def _models_in(folder: Path, wanted: str) -> str | None:
    """A hint that names ONNX files of `folder`, the likeliest first."""
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() == ".onnx"]
    except FileNotFoundError:
        return f"there is no folder '{folder}' either"
    except OSError:
        return f"the folder '{folder}' cannot be read"
    return closest(wanted, names) if names else f"the folder '{folder}' holds no ONNX file"
