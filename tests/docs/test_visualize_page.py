"""The page about feature visualization: its commands run, its pictures exist."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "visualize.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for block in code_blocks(PAGE, "console") for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo_model: Callable[[str], Path]) -> Path:
    zoo_model("vgg16")  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    with filterkit.open("catalog.db") as bench:
        bench.add("vgg16")
    return tmp_path


@pytest.mark.zoo
def test_the_commands_and_the_python_run(folder: Path) -> None:
    assert len(LINES) == 5
    for line in LINES:
        program, *words = shlex.split(line)
        assert program == "filterkit"
        done = CliRunner().invoke(build_app(), words)
        assert done.exit_code == 0, f"{line}: {done.stderr}"
    for name in re.findall(r" -o (\S+\.\w+)", "\n".join(LINES)):
        assert (folder / name).stat().st_size > 1000, name
    assert np.load("filters.npy").shape == (4, 3, 48, 48)
    assert len(list(Path("folder").iterdir())) == 4
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    assert (folder / "filters.png").exists()


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.\w+)\)", PAGE)
    assert len(found) == 1
    assert all((DOCS / name).stat().st_size < 700_000 for name in found)


def test_it_names_every_option() -> None:
    for option in ("--objective", "--at", "--diversity", "--steps", "--seed", "--size"):
        assert f"`{option}" in PAGE
