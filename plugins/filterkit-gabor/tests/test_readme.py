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


def test_the_metric(run: Run, tmp_path: Path) -> None:
    wave = np.cos(np.arange(7) - 3) * np.exp(
        -((np.arange(7)[:, np.newaxis] - 3) ** 2 + (np.arange(7) - 3) ** 2) / 8
    )
    weights = np.repeat(wave[np.newaxis, np.newaxis].astype(np.float32), 3, axis=1)
    model = build_model(
        [node("Conv", "image w", "maps", "conv_1")], {"image": [1, 3, 32, 32]}, {"w": weights}
    )
    path = tmp_path / "open-nsfw.onnx"
    path.write_bytes(model.SerializeToString())
    block, replaced = re.subn(r"add open-nsfw\b", f"add {path}", COMMANDS[0])
    assert replaced == 1
    assert "open-nsfw/conv_1/0" in run(block)


def test_the_source(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "orange").save(tmp_path / "work" / "photo.jpg")
    run(COMMANDS[1])
    assert (tmp_path / "work" / "gabor.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "work" / "maps").iterdir())
    run(COMMANDS[2])
    assert "gabor12" in run("filterkit models")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 4
