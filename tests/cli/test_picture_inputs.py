"""Messages of ``filterkit add`` and ``filterkit maps`` about pictures and picture inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node
from PIL import Image


def test_what_is_noteworthy_of_pictures_is_on_stderr(spawn: Run, tmp_path: Path) -> None:
    """Messages about an input size of 32 x 32 in the file, and about a 12-bit picture; none with --quiet."""
    model = build(
        [node("Conv", "x w", "y", "conv")], {"x": [1, 1, 32, 32]}, {"w": np.ones((2, 1, 3, 3), "f4")}
    )
    onnx.save(model, "net.onnx")
    Image.fromarray(np.full((48, 48), 4095, np.uint16)).save("deep.png")
    added = spawn("add", "net.onnx")
    assert "pictures are resized to 32 × 32, the input size in the file of net;" in added.stderr
    ran = spawn("maps", "net/conv", "deep.png", "-o", "maps.npy", "--provider", "cpu")
    assert ran.exit_code == 0
    notes = ran.stderr.splitlines()
    assert notes[0].startswith("deep.png has 16-bit pixels of at most 4095")
    assert notes[1].startswith("pictures are resized to 32 × 32, the input size in the file of net;")
    quiet = spawn("maps", "net/conv", "deep.png", "-o", "maps.npy", "--provider", "cpu", "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert np.load("maps.npy").shape == (1, 2, 30, 30)


def test_of_a_tiff_that_cannot_be_read_filterkit_speaks_alone(spawn: Run) -> None:
    tifffile = pytest.importorskip("tifffile")
    model = build(
        [node("Conv", "x w", "y", "conv")], {"x": [1, 8, 32, 32]}, {"w": np.ones((2, 8, 3, 3), "f4")}
    )
    onnx.save(model, "net.onnx")
    spawn("add", "net.onnx")
    bands = np.zeros((32, 32, 8), np.uint8)
    tifffile.imwrite("complex.tiff", bands.astype("c8"), photometric="minisblack", planarconfig="contig")
    ran = spawn("maps", "net/conv", "complex.tiff", "-o", "maps.npy", "--provider", "cpu")
    assert ran.exit_code == 1
    error, hint = ran.stderr.splitlines()
    assert error.startswith("error: complex.tiff") and hint.startswith("hint: ") and ".npy" in hint


def test_whole_numbers_are_assumed_as_they_are(run: Run) -> None:
    nodes = [node("Cast", "x", "f", to=1), node("Conv", "f w", "y", "conv")]
    model = build(nodes, {"x": [1, 3, "H", "W"]}, {"w": np.ones((2, 3, 3, 3), "f4")})
    for dtype, words in (
        (2, "pixels from 0 to 255"),
        (3, "pixels from -128 to 127"),
        (1, "pixels from 0 to 1"),
    ):
        model.graph.input[0].type.tensor_type.elem_type = dtype
        onnx.save(model, "net.onnx")
        added = run("add", "net.onnx", "--replace")
        assert f"no preprocessing is known for 'net'; assuming {words}" in added.stderr
        assert "resized" not in added.stderr
