"""Networks in a folder of its own for each test of a page, and the command lines of the page, run."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from shared_folders import shared_folder
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.testing import code_blocks


@pytest.fixture
def with_networks(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    zoo_model: Callable[[str], Path],
) -> Callable[..., Path]:
    """Make the test's own folder the current one, with VGG16 and other networks in its catalog."""

    def make(*others: str) -> Path:
        for name in others:
            zoo_model(name)  # skips where it cannot be fetched
        for name in set(os.environ) - {"FILTERKIT_CACHE"}:
            if name.startswith("FILTERKIT_"):
                monkeypatch.delenv(name)
        vgg16: Path = request.getfixturevalue("vgg16_catalog")

        def fill(folder: Path) -> None:
            shutil.copytree(vgg16.parent, folder, dirs_exist_ok=True)
            with filterkit.open(folder / "catalog.db") as bench:
                for name in others:
                    bench.add(name)

        made = shared_folder(tmp_path_factory, "-".join(("with", *others)), fill) if others else vgg16.parent
        shutil.copytree(made, tmp_path, dirs_exist_ok=True)  # takes less time than adding them
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


@pytest.fixture
def run_page() -> Callable[[str], dict[str, tuple[str, str]]]:
    """Run the command lines of a page; `|` pipes.

    Returns what each line, or its last command, wrote to stdout and stderr.
    """

    def run(page: str) -> dict[str, tuple[str, str]]:
        blocks = code_blocks(page, "console")
        lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
        printed: dict[str, tuple[str, str]] = {}
        for line in lines:
            piped = None
            for part in line.split(" | "):
                program, *words = shlex.split(part)
                assert program == "filterkit"
                done = CliRunner().invoke(build_app(), words, input=piped)
                assert done.exit_code == 0, f"{part}: {done.stderr}"
                piped = done.stdout
            printed[line] = done.stdout, done.stderr
        assert len(printed) == len(lines)
        return printed

    return run
