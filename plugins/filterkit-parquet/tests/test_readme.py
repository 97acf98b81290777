"""The commands of the README are run as they stand there, by a shell.

So is its question; ``vgg16`` is a tiny model.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from filterkit.testing import tiny_model

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


def test_the_commands_and_the_question(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_model("plain", tmp_path).path.rename(tmp_path / "vgg16.onnx")
    run(f"filterkit add {path}")
    run(COMMANDS[0])
    monkeypatch.chdir(tmp_path / "work")
    layers = duckdb.sql("SELECT layer FROM 'layers.parquet'").fetchall()
    assert layers == [("conv1",), ("conv2",)]
    [question] = [text for language, text in FOUND if language == "sql"]
    [(model, count, norm)] = duckdb.sql(question).fetchall()
    assert (model, count) == ("vgg16", 9)
    assert norm > 0


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 2
