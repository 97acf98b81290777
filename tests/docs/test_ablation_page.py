"""The page about ablation: its commands run, its numbers are true, its pictures exist."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.operations.quickstart import place_photo
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "ablation.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for block in code_blocks(PAGE, "console") for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo_model: Callable[[str], Path]) -> Path:
    """With the models and the photo of the page."""
    for name in ("vgg16", "open-nsfw"):
        zoo_model(name)  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    with filterkit.open("catalog.db") as bench:
        bench.add("vgg16")
        bench.add("open-nsfw")
    place_photo(tmp_path, None, ours=True)
    return tmp_path


@pytest.mark.zoo
@pytest.mark.slow
def test_the_commands_run(folder: Path) -> None:
    assert len(LINES) == 6
    outputs = []
    for line in LINES:
        piped = None
        for part in line.split(" | "):
            program, *words = shlex.split(part)
            assert program == "filterkit"
            done = CliRunner().invoke(build_app(), words, input=piped)
            assert done.exit_code == 0, f"{part}: {done.stderr}"
            piped = done.stdout
        outputs.append(done)
    for name in re.findall(r" -o (\S+)", "\n".join(LINES)):
        assert (folder / name).stat().st_size > 1000, name
    assert "block5_conv1/354" in outputs[0].stdout.splitlines()[2]
    assert "-74.2" in outputs[0].stdout
    assert ": 0.94" in outputs[4].stderr


@pytest.mark.zoo
def test_the_python_runs(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    assert (folder / "ablation.png").exists()


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.png)\)", PAGE)
    assert len(found) == 2
    assert all((DOCS / name).stat().st_size < 400_000 for name in found)
