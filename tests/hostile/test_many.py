"""Models of a great many parts: the work grows as the file does.

The numbers are such that what grew with their square would take minutes, and `add` would give up.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from isolated import Run
from many import MANY
from onnx_graphs import banks, opened
from safetensors.numpy import save_file

from filterkit.graph.layers.naming import name_layers

LAYERS = 1000
NODES = 8000
COUNTS = {
    **dict.fromkeys(("layers", "own_weights", "functions", "one_function", "bodies"), LAYERS),
    "computed_weights": 2 * LAYERS,
    "inputs": NODES // 2,
    "MaxPool": LAYERS,
}


@pytest.mark.parametrize("kind", MANY)
def test_a_great_many_of_one_kind_are_catalogued(run: Run, tmp_path: Path, kind: str) -> None:
    model = MANY[kind](COUNTS.get(kind, NODES))
    (tmp_path / "many.onnx").write_bytes(model.SerializeToString())
    limits = ("--timeout", 25, "--memory", "500MiB")
    (row,) = run("add", "many.onnx", "--metric", "basic", *limits, "--format", "json").rows
    assert row["layers"] >= 1
    assert row["skipped"] == 0


def test_layers_of_one_name_are_numbered_in_one_go(tmp_path: Path) -> None:
    (bank,) = banks(opened(MANY["layers"](0)))[:1]
    names = name_layers([replace(bank, weight_tensor="body.0.weight")] * 30_000)
    assert names[:3] == ["body.0", "body.0_2", "body.0_3"]
    assert names[-1] == "body.0_30000"


def test_long_names_are_numbered_in_one_go() -> None:
    (bank,) = banks(opened(MANY["layers"](0)))[:1]
    long = [replace(bank, weight_tensor=f"{'n' * 94}{n:06}.weight") for n in range(10_000)]
    names = name_layers([*long, *long])
    assert len(set(names)) == 20_000
    assert max(map(len, names)) == 100


def test_biases_of_many_arrays_are_found(run: Run, tmp_path: Path) -> None:
    arrays = {f"l{n}.weight": np.ones((2, 2, 1, 1), np.float32) for n in range(LAYERS)}
    biases = {f"l{n}.bias": np.ones(2, np.float32) for n in range(LAYERS)}
    save_file(arrays | biases, tmp_path / "many.safetensors")
    (row,) = run("add", "weights:many.safetensors", "--metric", "basic", "--format", "json").rows
    assert row["layers"] == LAYERS
    assert row["parameters"] == 6 * LAYERS
