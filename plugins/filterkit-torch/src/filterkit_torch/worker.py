"""Builds or loads a network and exports it, in a separate process.

Run as ``python -P -m filterkit_torch.worker REQUEST.json``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import filterkit

from filterkit_torch.request import Answer, Request


def main(request_path: str) -> None:
    """Answer the request in the file at `request_path`."""
    given = json.loads(Path(request_path).read_text("utf-8"))
    shape = given["input_shape"]
    request = Request(**{**given, "input_shape": None if shape is None else tuple(shape)})
    Path(request.answer).write_text(json.dumps(asdict(answer(request))), "utf-8")


def answer(request: Request) -> Answer:
    """Process the request; errors are part of the answer."""
    import torch

    from filterkit_torch.exporting import export
    from filterkit_torch.loading import load, widen

    try:
        network = load(request)
        widened = widen(network)
        names = export(network, request)
    except filterkit.FilterkitError as error:
        misused = isinstance(error, filterkit.UsageError)
        return Answer(torch.__version__, None, misused, error.message, error.hint)
    return Answer(torch.__version__, names, widened=widened)


if __name__ == "__main__":
    main(sys.argv[1])
