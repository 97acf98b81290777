"""Checkpoints on the command line: everything works except running the network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from safetensors.numpy import save_file


@pytest.fixture
def checkpoint(run: Run, tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    arrays = {"stem.weight": (4, 3, 3, 3), "stem.bias": (4,), "body.weight": (5, 4, 3, 3)}
    save_file(
        {name: random.normal(size=shape).astype(np.float32) for name, shape in arrays.items()},
        tmp_path / "net.safetensors",
    )
    ran = run("add", f"weights:{tmp_path}/net.safetensors", "--preprocessing", "caffe")
    assert (ran.exit_code, ran.stderr.splitlines()[0]) == (0, "added net")
    return "net"


def test_it_is_catalogued_drawn_and_slid_over_pictures(run: Run, checkpoint: str, photo: Path) -> None:
    stem, body = run("layers", checkpoint, "--format", "json").rows
    assert (stem["layer"], body["layer"]) == ("stem", "body")
    assert stem["output_shape"] is body["receptive_field"] is stem["macs"] is None
    assert run("show", "net/stem", "-o", "stem.png").exit_code == 0
    [row] = run("convolve", "net/stem", photo, "--format", "json").rows
    assert row["shape"] == [4, 30, 46]
    [row] = run("convolve", "net/body/2/1", photo, "--format", "json").rows
    assert row["shape"] == [1, 30, 46]


@pytest.mark.parametrize("more", [("photo.png",), ("--input", "x.npz")])
def test_it_cannot_be_run(run: Run, checkpoint: str, photo: Path, more: tuple[str, ...]) -> None:
    code, error, hint = run("maps", checkpoint, *more).failure
    assert (code, error) == (1, "net cannot be run: it consists of weights without a network")
    assert hint.startswith("filterkit convolve net/stem/0/0 ")


def test_a_file_of_weights_says_how_it_is_added(run: Run) -> None:
    for name in ("net.safetensors", "net.npz", "net.weights.h5"):
        assert run("add", name).failure == (
            2,
            f"'{name}' contains weights without a network",
            f"filterkit add weights:{name}",
        )


def test_what_is_missing_is_named_before_anything_is_downloaded(spawn: Run, tmp_path: Path) -> None:
    (tmp_path / "hide").mkdir()
    hidden = "import importlib.util as u; find = u.find_spec\n"
    hidden += "u.find_spec = lambda name, *rest: None if name == 'h5py' else find(name, *rest)\n"
    (tmp_path / "hide" / "sitecustomize.py").write_text(hidden)
    path = os.pathsep.join([str(tmp_path / "hide"), os.environ.get("PYTHONPATH", "")])
    ran = spawn("add", "vgg16-hed", PYTHONPATH=path, FILTERKIT_CACHE=str(tmp_path / "cache"))
    assert ran.failure == (
        1,
        "reading vgg16-hed requires h5py, which is not installed",
        "pip install 'cnn-filterkit[h5]'",
    )


@pytest.mark.zoo
def test_vgg16_fine_tuned_to_edges(run: Run, zoo_model: Callable[[str], Path]) -> None:
    zoo_model("vgg16-hed")
    assert run("add", "zoo:vgg16-hed").exit_code == 0
    rows = run("layers", "vgg16-hed", "--format", "json").rows
    numbered = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))
    names = [f"block{block}_conv{n}" for block, count in numbered for n in range(1, count + 1)]
    assert [row["layer"] for row in rows] == names
    assert sum(row["filters"] for row in rows) == 4224
    assert sum(row["parameters"] for row in rows) == 14_714_688


def test_an_order_in_doubt_is_said_in_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", a=np.ones((3, 3, 16, 16), np.float32))
    said = []
    for ref in ("weights:net.npz", "weights:net.npz?layout=HWIO"):
        command = [sys.executable, "-m", "filterkit", "add", ref, "--replace", "--catalog", "catalog.db"]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
        said.append(
            [line for line in ran.stderr.splitlines() if "layout" in line or "warning" in line.lower()]
        )
    words = "assuming axis order OIHW for the weights in net.npz"
    assert said == [[f"warning: {words}; override with ?layout=HWIO or ?layout=OHWI"], []]
