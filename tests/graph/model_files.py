"""Models in files, and how files are refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_graphs import build, node, random

from filterkit.errors import ModelError
from filterkit.graph.loading.load import load_model


def convolution() -> onnx.ModelProto:
    return build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3)})


def refused(path: Path) -> ModelError:
    """The error of a file that is refused, which must be printable, on one line, and have a hint."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    error = caught.value
    assert "\n" not in error.message and error.hint and "\n" not in error.hint
    assert error.message.isprintable()
    return error


def written(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path
