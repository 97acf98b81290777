"""The model source ``torch``: builds and exports a network in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import filterkit

from filterkit_torch.request import Answer, Request, parse
from filterkit_torch.working_folder import without_working_folder


class TorchSource:
    """Exports PyTorch networks with ``torch.onnx``.

    This runs in a separate process: the code may print, change global state or end the process, a module may
    have changed by the next time, and PyTorch does not release its memory.
    """

    scheme = "torch"

    def fetch(
        self, ref: str, workdir: Path, progress: Callable[[str, int, int | None], None]
    ) -> filterkit.FetchedModel:
        """Export the network that `ref` names.

        Parameters
        ----------
        ref
            ``MODULE:CALLABLE``, with the call's arguments after ``?`` and, among them, ``input``
            (``3x224x224``: channels, height, width), ``seed`` (0) and ``checkpoint`` (a file of weights).
            ``FILE.pt2``. ``FILE.pt``, with ``input``.

        Raises
        ------
        filterkit.UsageError
            If `ref` is none of these, or the callable does not accept the arguments.
        filterkit.SourceError
            If a file is missing or broken, or the network cannot be built or exported.
        """
        request = parse(ref, workdir)
        progress(f"exporting {request.shown} with PyTorch", 0, None)
        answer = _run(request, workdir)
        if answer.message is not None:
            kind = filterkit.UsageError if answer.misused else filterkit.SourceError
            raise kind(answer.message, hint=answer.hint)
        widened = ", its bfloat16 numbers as float32" if answer.widened else ""
        return filterkit.FetchedModel(
            onnx_path=Path(request.onnx),
            origin=f"{_describe(request)}{widened}, exported by PyTorch {answer.torch}",
            layer_names=answer.layer_names,
        )


def _run(request: Request, workdir: Path) -> Answer:
    request_path = workdir / "request.json"
    request_path.write_text(json.dumps(asdict(request)), "utf-8")
    environment = without_working_folder() | {
        "CUDA_VISIBLE_DEVICES": "",  # an export needs no GPU, and should not use its memory
        "PYTHONUTF8": "1",
    }
    # Without -P, files in the current folder would shadow those that PyTorch itself imports; its own child
    # processes are controlled by the environment.
    process = subprocess.run(
        [sys.executable, "-P", "-m", "filterkit_torch.worker", str(request_path)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        return Answer(**json.loads(Path(request.answer).read_text("utf-8")))
    except FileNotFoundError:
        said = process.stderr.strip().splitlines() or ["no error message"]
        killed = "its process was killed, perhaps because it ran out of memory"
        reason = killed if process.returncode < 0 else said[-1]
        raise filterkit.SourceError(f"cannot export {request.shown}: {reason}") from None


def _describe(request: Request) -> str:
    """What was exported; only the names of files, because a catalog may be moved to another machine."""
    if request.file:
        return f"file {request.shown}"
    words = [f"{key} {value}" for key, value in request.arguments.items()]
    if request.checkpoint:
        words.append(f"checkpoint {Path(request.checkpoint).name}")
    return f"{request.shown}: {', '.join([*words, f'seed {request.seed}'])}"
