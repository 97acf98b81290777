"""A small model to stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx_graphs import build, node, random

from filterkit.ingest.stage import Request, Staged

Stage = Callable[..., Staged]
"""Stages the small model; see `conftest.stage`."""
REQUEST = Request("small", "onnx", "small.onnx", "small.onnx")


def write_small(path: Path, seed: int = 0) -> Path:
    """Two convolutions, the first with a batch norm behind it."""
    constants = {"w": random(4, 3, 3, 3, seed=seed), "v": random(5, 4, 3, 3, seed=seed + 1)}
    norm = {name: np.abs(random(4, seed=number)) for number, name in enumerate("sbmu")}
    nodes = [node("Conv", "x w", "a"), node("BatchNormalization", "a s b m u", "n"), node("Conv", "n v", "y")]
    path.write_bytes(build(nodes, {"x": (1, 3, 9, 9)}, constants | norm).SerializeToString())
    return path
