"""The commands of the README are run as they stand there, by a shell.

``torchvision`` is a module with a tiny network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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


TORCHVISION = """
from torch import nn

def resnet18(weights=None):
    assert weights == "DEFAULT"
    net = nn.Sequential()
    net.conv1 = nn.Conv2d(3, 8, 7, 2)
    net.relu = nn.ReLU()
    return net
"""


def test_the_commands(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "work" / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(TORCHVISION)
    run(COMMANDS[0])
    assert (tmp_path / "work" / "conv1.png").read_bytes().startswith(b"\x89PNG")


def test_the_example(run: Run, tmp_path: Path) -> None:
    docs = tmp_path / "work" / "plugins" / PLUGIN.name / "docs"
    shutil.copytree(PLUGIN / "docs", docs)
    (docs / "filters.png").unlink()
    run(COMMANDS[1])
    assert (docs / "filters.png").read_bytes().startswith(b"\x89PNG")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 3
