"""The page about observing: its commands run, its table is true, its pictures exist."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import filterkit
from filterkit.catalog.responses import RESPONSES
from filterkit.cli.app import build_app
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "observe.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for block in code_blocks(PAGE, "console") for line in block.splitlines()]


@pytest.mark.zoo
@pytest.mark.slow
def test_the_commands_and_the_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo_model: Callable[[str], Path]
) -> None:
    zoo_model("vgg16")  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    runpy.run_path(str(DOCS / "sample_photos.py"), run_name="__main__")
    with filterkit.open("catalog.db") as bench:
        bench.add("vgg16")
    assert len(LINES) == 10
    for line in LINES:
        program, *words = shlex.split(line)
        assert program == "filterkit"
        done = CliRunner().invoke(build_app(), words)
        assert done.exit_code == 0, f"{line}: {done.stderr}"
        if "-top_class_share" in line:
            assert "vgg16/block5_conv3/13 " in done.stdout
            assert "vgg16/block5_conv3/416 " in done.stdout
    (block,) = code_blocks(PAGE, "python")
    (tmp_path / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(tmp_path / "page.py"))
    for name in ("exemplars.png", "gradients.png", "driven.png", "detectors.png", "first.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_table_has_every_column() -> None:
    rows = re.findall(r"^\| (`.*`) \| ", PAGE, re.M)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(RESPONSES)


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.png)\)", PAGE)
    assert len(found) == 3
    assert all((DOCS / name).stat().st_size < 400_000 for name in found)
