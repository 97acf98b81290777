"""``filterkit export``: weights for other tools, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node, random
from safetensors.numpy import load_file

import filterkit

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


def read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_several_layers_read_back(run: Run, catalog: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"banks{suffix}"
    ran = run("export", "vgg16/block1_*", "-o", path)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", f"wrote {path}\n")
    found = read(path)
    assert list(found) == ["block1_conv1", "block1_conv2"]
    with filterkit.open(catalog) as bench:
        for name, bank in found.items():
            expected = bench.bank(f"vgg16/{name}")
            assert bank.dtype == expected.dtype
            assert bank.shape == expected.shape
            assert bank.tobytes() == expected.tobytes()


def test_one_selection_as_npy(run: Run, catalog: Path) -> None:
    assert run("export", "vgg16/block1_conv2/7,2/::16", "-o", "bank.npy").exit_code == 0
    with filterkit.open(catalog) as bench:
        expected = bench.bank("vgg16/block1_conv2")[[7, 2]][:, ::16]
    found = np.load("bank.npy")
    assert found.shape == (2, 4, 3, 3)
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_layers_of_several_models_keep_their_addresses(run: Run) -> None:
    assert run("export", "*/b*", "-o", "both.npz").exit_code == 0
    names = set(read(Path("both.npz")))
    assert len(names) == 16
    assert {"vgg16/block1_conv1", "classic/blur_box_3"} <= names


@pytest.mark.parametrize(
    ("address", "name", "code", "says"),
    [
        ("vgg16/block1_*", "two.npy", 2, "two.npz"),
        ("classic/emboss", "bank.h5", 2, ".safetensors"),
        ("classic/embos", "bank.npy", 1, "'emboss'"),
    ],
)
def test_what_cannot_be_written(run: Run, address: str, name: str, code: int, says: str) -> None:
    found, error, hint = run("export", address, "-o", name).failure
    assert found == code
    assert says in f"{error} {hint}"
    assert list(Path().iterdir()) == []


def test_expanded_weights(run: Run, catalog: Path) -> None:
    assert run("export", "vgg16/block1_*", "--expand", "-o", "both.safetensors").exit_code == 0
    found = read(Path("both.safetensors"))
    assert {name: bank.shape for name, bank in found.items()} == {
        "block1_conv1": (64, 3, 3, 3),
        "block1_conv2": (64, 3, 5, 5),
    }
    with filterkit.open(catalog) as bench:
        np.testing.assert_array_equal(found["block1_conv1"], bench.bank("vgg16/block1_conv1"))


def test_what_cannot_be_expanded(run: Run) -> None:
    nodes = [
        node("Conv", "x w", "a", name="first"),
        node("LRN", "a", "b", name="norm", size=3),
        node("Conv", "b v", "y", name="last"),
    ]
    weights = {"w": random(4, 3, 3, 3), "v": random(2, 4, 3, 3)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, weights, opset=17), "net.onnx")
    assert run("add", "net.onnx", "--catalog", "own.db").exit_code == 0
    for words in (("export", "net/last", "-o", "x.npy"), ("show", "net/last", "-o", "x.png")):
        code, error, hint = run(*words, "--expand", "--catalog", "own.db").failure
        assert code == 1
        assert "'norm' (LRN) has no linear form" in error
        assert hint
        assert not list(Path().glob("x.*"))
