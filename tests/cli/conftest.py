"""Run the command line in this process or in separate ones, each test in its own folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Ran, Run, copy_catalog, write_photo
from typer.testing import CliRunner

from filterkit.cli.app import build_app


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in its own folder, without settings except the cache of the zoo."""
    for name in set(os.environ) - {"FILTERKIT_CACHE"}:
        if name.startswith("FILTERKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Run:
    """Run ``filterkit WORDS...`` in this process, with `piped` on standard input."""

    def run(*words: object, piped: str | bytes | None = None) -> Ran:
        result = CliRunner().invoke(build_app(), [str(word) for word in words], input=piped)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def spawn() -> Run:
    """Run ``python -m filterkit WORDS...`` as a process, with more variables in its environment."""

    def spawn(*words: object, **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "filterkit", *map(str, words)],
            env=os.environ | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return spawn


@pytest.fixture
def catalog(vgg16_catalog: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real VGG16 and the classic kernels, as the default catalog; for reading only."""
    monkeypatch.setenv("FILTERKIT_CATALOG", str(vgg16_catalog))
    return vgg16_catalog


@pytest.fixture
def classic(classic_catalog: Path, tmp_path: Path) -> Path:
    """The classic kernels as ``catalog.db`` in the test's own folder, to change."""
    return copy_catalog(classic_catalog, tmp_path / "catalog.db")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture with edges and colours in it: 48 wide, 32 high."""
    return write_photo(tmp_path / "photo.png")
