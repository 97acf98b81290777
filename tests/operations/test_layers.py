"""Listing layers, and the convolutions that were skipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import NotFoundError


def test_one_row_per_layer_with_its_geometry(small: filterkit.Workbench) -> None:
    first, second = small.layers("net")
    assert (first["address"], first["filters"], first["in_channels"]) == ("net/conv1", 4, 3)
    assert (first["receptive_field"], second["receptive_field"]) == (3, 5)
    assert (first["activation"], second["activation"]) == ("relu", None)
    assert [row["layer"] for row in small.layers("classic/edge_sobel_*")] == ["edge_sobel_x", "edge_sobel_y"]


def test_an_unknown_layer_has_a_hint(small: filterkit.Workbench) -> None:
    with pytest.raises(NotFoundError, match="conv3") as caught:
        small.layers("net/conv3")
    assert "conv" in str(caught.value.hint)


def test_a_convolution_without_constant_weights_is_listed_as_skipped(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    nodes = [node("Conv", "x w", "c", name="sound"), node("Conv", "x v", "y", name="odd")]
    model = build(nodes, {"x": [1, 3, 8, 8], "v": [2, 3, 3, 3]}, {"w": random(2, 3, 3, 3)})
    onnx.save(model, tmp_path / "net.onnx")
    assert bench.add(tmp_path / "net.onnx").skipped == 1
    [row] = bench.skipped("net")
    assert row["node"] == "odd" and "v" in row["reason"]
    np.testing.assert_array_equal([each["layer"] for each in bench.layers()], ["sound"])
