"""Small models to write into a folder, sound ones to begin with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx_graphs import build, node, random

Make = Callable[[Path], onnx.ModelProto | bytes | None]
"""Makes the model, or writes ``model.onnx`` and what belongs to it into the folder itself."""

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs links, pipes and devices")


def convolution(name: str = "w", **values: object) -> onnx.ModelProto:
    constants = {name: random(4, 3, 3, 3)}
    return build([node("Conv", f"x {name}", "y", name="conv", **values)], {"x": [1, 3, 8, 8]}, constants)


def placed(folder: Path, make: Make) -> Path:
    path = folder / "model.onnx"
    made = make(folder)
    if made is not None:
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path
