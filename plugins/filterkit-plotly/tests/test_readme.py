"""The commands of the README are run as they stand there, by a shell.

``vgg16`` and ``vgg16-hed`` are tiny models.
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
from filterkit.testing import build_model, node
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


def write_network(path: Path, scale: float) -> Path:
    random = np.random.default_rng(0)
    names = ("block1_conv1", "block1_conv2", "block3_conv1")
    tensors = ("image", "one", "two", "three")
    weights = {
        f"{name}.weight": random.normal(size=(4, 4 if place else 3, 3, 3)).astype(np.float32) * scale
        for place, name in enumerate(names)
    }
    nodes = [
        node("Conv", f"{tensors[place]} {name}.weight", tensors[place + 1], name, pads=[1, 1, 1, 1])
        for place, name in enumerate(names)
    ]
    path.write_bytes(build_model(nodes, {"image": ["N", 3, 32, 32]}, weights).SerializeToString())
    return path


def test_the_commands(run: Run, tmp_path: Path) -> None:
    for name, scale in {"vgg16": 1, "vgg16-hed": 0.5}.items():
        run(f"filterkit add {write_network(tmp_path / f'{name}.onnx', scale)}")
    Image.new("RGB", (40, 40), "orange").save(tmp_path / "work" / "photo.jpg")
    run(COMMANDS[0])
    pages = [path.relative_to(tmp_path / "work").as_posix() for path in (tmp_path / "work").rglob("*.html")]
    assert {"kernels.html", "maps.html", "similar.html", "differences.html"} < set(pages)
    assert sum(page.startswith("pages/") for page in pages) == 3
    assert all("Plotly" in (tmp_path / "work" / page).read_text(encoding="utf-8") for page in pages)


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 2
