"""Weights of a cut graph are references to the file that it was cut out of, where that has the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from onnx_graphs import build, node, random

from filterkit.graph.excerpt.external_data import SMALLEST, refer

LARGE, SMALL = random(8, 16, 3, 3), random(4, 8, 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    nodes = [node("Conv", "x v", "c"), node("Conv", "c w", "y")]
    made = build(nodes, {"x": [1, 16, 6, 6]}, {"v": LARGE, "w": SMALL})
    made.doc_string = "what stands before the graph" * 9
    onnx.save(made, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_large_weights_are_read_from_the_file(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    refer(model, path)
    large, small = model.graph.initializer
    assert not small.HasField("data_location") and len(small.raw_data) < SMALLEST
    entries = {entry.key: entry.value for entry in large.external_data}
    assert (large.data_location, large.raw_data, entries["location"]) == (
        TensorProto.EXTERNAL,
        b"",
        "model.onnx",
    )
    begin, length = int(entries["offset"]), int(entries["length"])
    np.testing.assert_array_equal(
        np.frombuffer(path.read_bytes()[begin : begin + length], np.float32).reshape(LARGE.shape), LARGE
    )
    (tmp_path / "cut.onnx").write_bytes(model.SerializeToString())
    picture = random(1, 16, 6, 6, seed=1)
    found, expected = (
        onnxruntime.InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"]).run(
            None, {"x": picture}
        )[0]
        for name in ("cut.onnx", "model.onnx")
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["v", "another"])
def test_other_bytes_stay_where_they_are(path: Path, name: str) -> None:
    """The file holds other weights of this name, or none."""
    model = onnx.load(path)
    changed = LARGE + (name == "v")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(changed, name))
    refer(model, path)
    assert not model.graph.initializer[0].HasField("data_location")
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), changed)


@pytest.mark.parametrize(("size", "referred"), [(SMALLEST - 4, False), (SMALLEST, True)])
def test_size_from_which_weights_are_referred_to(tmp_path: Path, size: int, referred: bool) -> None:
    model = build([node("Add", "x k", "y")], {"x": [1]}, {"k": random(size // 4)})
    onnx.save(model, tmp_path / "model.onnx")
    refer(model, tmp_path / "model.onnx")
    assert (model.graph.initializer[0].data_location == TensorProto.EXTERNAL) == referred
