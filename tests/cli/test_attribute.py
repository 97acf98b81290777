"""``filterkit attribute``: rows, files and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from classifier import add_classifier
from command_line import Run
from onnx_graphs import build, node, random
from PIL import Image

import filterkit

COLUMNS = ["target", "image", "method", "value", "position", "box", "sum", "seconds", "provider", "path"]


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    add_classifier(tmp_path, filters=4)


def test_a_row(run: Run, photo: Path) -> None:
    (row,) = run("attribute", "net/last/1", photo, "--format", "json").rows
    assert list(row) == COLUMNS
    assert (row["target"], row["image"], row["method"]) == ("net/last/1", str(photo), "gradient")
    assert len(row["position"]) == 2
    top, left, bottom, right = row["box"]
    assert (bottom - top, right - left) == (5, 5)
    assert row["path"] is None


def test_files(run: Run, photo: Path) -> None:
    for name in ("a.png", "a.svg", "a.npy", "a.npz"):
        ran = run("attribute", "net/last/1", photo, "-o", name, "--position", "4,5", "--format", "json")
        assert ran.rows[0]["path"] == name
        assert ran.stderr == f"wrote {name}\n"
    assert np.load("a.npy").shape == (3, 32, 48)
    assert np.array_equal(np.load("a.npz")["photo"], np.load("a.npy"))
    ran = run("attribute", "net/last/1", photo, photo, "-o", "b.npz")
    assert ran.stderr == "wrote b.npz\n"
    assert set(np.load("b.npz")) == {"photo", "photo_2"}
    ran = run("attribute", "net/last/1", photo, "-o", "folder", "--quiet", "--format", "json")
    assert ran.rows[0]["path"] == str(Path("folder/photo.png"))


def test_colours(run: Run, photo: Path) -> None:
    for name, colormap in (("a.png", "viridis"), ("b.png", "PiYG")):
        run("attribute", "net/last/1", photo, "-o", name, "--colormap", colormap)
    with Image.open("a.png") as first, Image.open("b.png") as second:
        assert first.size == second.size
        assert first.tobytes() != second.tobytes()
    assert run("attribute", "net/last/1", photo, "-o", "a.png", "--colormap", "nope").exit_code == 2


def test_an_output_of_the_network(run: Run, photo: Path) -> None:
    ran = run("attribute", "net@", photo, photo, "--method", "grad-cam", "--format", "json")
    assert {row["target"] for row in ran.rows} <= {"net@0:0", "net@0:1"}
    assert ran.stderr.count("before the final Softmax; --after-softmax takes the probability") == 1
    ran = run("attribute", "net@0:1", photo, "--after-softmax", "--format", "json")
    assert ran.stderr == ""
    assert 0 < ran.rows[0]["value"] < 1


def test_random_weights(run: Run, photo: Path) -> None:
    values = [
        run("attribute", "net/last/1", photo, "--format", "json", *more).rows[0]["value"]
        for more in ((), ("--randomize", "last"), ("--randomize", "last", "--seed", "1"))
    ]
    assert len({*values}) == 3


def test_a_picture_that_cannot_be_read_is_left_out(run: Run, photo: Path) -> None:
    Path("broken.png").write_bytes(b"nothing")
    ran = run("attribute", "net/last/1", photo, "broken.png", "--format", "ndjson")
    assert ran.exit_code == 1
    assert len(ran.stdout.splitlines()) == 1
    assert "error: broken.png is not a picture" in ran.stderr


def test_rows_before_an_error(run: Run, photo: Path, tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Reciprocal", "a", "b"),
        node("Conv", "b v", "y", name="last"),
    ]
    constants = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3, seed=1)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17), tmp_path / "inverse.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "inverse.onnx", preprocessing="unit")
    Image.new("RGB", (48, 32)).save("black.png")
    ran = run("attribute", "inverse/last/1", photo, "black.png", photo, "-o", "a.npz", "--format", "ndjson")
    assert ran.exit_code == 1
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stderr.startswith("wrote a.npz\nerror: the response of inverse/last/1 is NaN or infinite")
    assert set(np.load("a.npz")) == {"photo"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["net@0", "PHOTO", "--at", "pre"], "at=pre has no effect on an output of the network"),
        (["net/last/1", "PHOTO", "--after-softmax"], "after-softmax has no effect on filters"),
        (["net/last/1", "PHOTO", "--position", "99,0"], "position 99,0 is outside the map of net/last/1"),
        (["net/last/1", "PHOTO", "--method", "gradeint"], "unknown attribution 'gradeint'"),
        (["net/last/1", "PHOTO", "--normalizer", "nope"], "unknown normalizer 'nope'"),
        (["net/last/1", "PHOTO", "--rules", "nope"], "unknown gradient-rule 'nope'"),
        (["net", "PHOTO"], "a target is in one layer, but 'net' names 2 layers"),
        (["PHOTO", "net/last/1"], None),
    ],
)
def test_wrong_use(run: Run, photo: Path, words: list[str], message: str | None) -> None:
    ran = run("attribute", *(str(photo) if word == "PHOTO" else word for word in words))
    code, error, hint = ran.failure
    assert code == 2
    assert message in (None, error)
    assert hint
