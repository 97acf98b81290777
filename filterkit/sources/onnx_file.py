"""`onnx:PATH`, and plain paths: an existing ONNX file."""

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
"""Scheme prefix of model files by suffix, in the order in which hints list them."""


class OnnxFile:
    """Uses an ONNX file in place, with the external data beside it."""

    scheme = "onnx"

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Return the file at `ref`; its content is validated later, when it is opened.

        Raises
        ------
        UsageError
            If no path is given.
        NotFoundError
            If the file does not exist or is a folder.
        """
        if not ref:
            raise UsageError("no file given", hint="filterkit add FILE.onnx")
        path = Path(ref).expanduser()
        refuse_folder(ref)
        if not path.exists():
            raise NotFoundError(f"file '{ref}' does not exist", hint=_models_in(path.parent, path.name))
        if not path.is_file():
            raise NotFoundError(f"'{ref}' is not a file", hint="pipes, devices and sockets are not supported")
        # Only the file name: catalogs are shared, and the path may be private.
        return FetchedModel(onnx_path=path.absolute(), origin=f"file {path.name}")


def refuse_folder(ref: str) -> None:
    """Raise NotFoundError if `ref` is a folder, with a hint that lists the model files in it."""
    path = Path(ref).expanduser()
    if not path.is_dir():
        return
    from filterkit.graph.loading.file_kinds import folder_kind

    if (kind := folder_kind(path)) is not None:
        raise NotFoundError(f"'{ref}' is not an ONNX file but {kind.what}", hint=kind.hint)
    raise NotFoundError(f"'{ref}' is a folder; models are added one file at a time", hint=_to_add(path))


def _to_add(folder: Path) -> str:
    """A hint how to add the model files of `folder`; the second makes clear that each is added separately."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in MODEL_FILES)
    except OSError:
        return f"cannot read folder '{folder}'"
    order = [*MODEL_FILES]
    files.sort(key=lambda path: order.index(path.suffix.lower()))
    schemes = (MODEL_FILES[path.suffix.lower()] + str(path) for path in files[:2])
    commands = [f"`filterkit add {shlex.quote(ref)}`" for ref in schemes]
    more = " and so on" * (len(files) > 2)
    return ", then ".join(commands) + more if files else f"folder '{folder}' contains no ONNX file"


def _models_in(folder: Path, wanted: str) -> str | None:
    """A hint that lists the ONNX files of `folder`, the closest names first."""
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() == ".onnx"]
    except FileNotFoundError:
        return f"folder '{folder}' does not exist either"
    except OSError:
        return f"cannot read folder '{folder}'"
    return closest(wanted, names) if names else f"folder '{folder}' contains no ONNX file"
