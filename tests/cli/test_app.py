"""The command line as a whole: its commands, what starting it imports, and how it is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run
from typer.main import get_command

import filterkit
from filterkit.cli import app as cli
from filterkit.cli.app import build_app
from filterkit.cli.shell import COMMON

HEAVY = {
    *("numpy", "onnx", "onnxruntime", "sqlalchemy", "alembic", "matplotlib", "PIL", "safetensors", "rich"),
    *("starlette", "uvicorn", "jinja2"),
}

COMMANDS = {
    *("add", "measure", "remove", "zoo", "models", "layers", "filters", "query"),
    *("stats", "similar", "connections", "duplicates", "diff"),
    *("show", "maps", "convolve", "attribute", "visualize", "ablate", "export"),
    *("observe", "observations", "exemplars", "responses", "serve", "site", "merge"),
    *("quickstart", "doctor", "plugins"),
}

PIP = {"install", "uninstall", "upgrade", "requirements"}


def imported_by(*words: str) -> set[str]:
    """Top-level packages that are in memory when a command line is done."""
    code = (
        "import sys\n"
        "from filterkit.cli.app import run\n"
        f"try: run({list(words)!r})\n"
        "except SystemExit: pass\n"
        "print('\\nmodules:', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("modules:")[2].split())


def test_every_command_is_there_and_takes_the_common_options() -> None:
    root = get_command(build_app())
    assert set(root.commands) == COMMANDS  # type: ignore[attr-defined]
    groups = [root.commands.pop("plugins")]  # type: ignore[attr-defined]
    commands = [*root.commands.values(), *groups[0].commands.values()]  # type: ignore[attr-defined]
    assert set(groups[0].commands) == {"list", "show", "doctor", "new", *PIP}
    for command in commands:
        assert {parameter.name for parameter in command.params} >= set(COMMON), command.name
        assert command.help, command.name
        assert all(parameter.help for parameter in command.params), command.name


@pytest.mark.parametrize("words", [["--help"], ["-h"], [], ["show", "--help"], ["maps", "-h"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert not imported_by(*words) & (HEAVY - {"rich"})


@pytest.mark.parametrize(
    "words",
    [
        ["models", "--format", "json"],
        ["layers", "classic"],
        ["filters", "classic", "--where", "l2_norm > 1", "--sort", "mean"],
        ["query", "select * from layer"],
    ],
)
def test_asking_the_catalog_imports_no_network_and_no_picture_library(
    classic: Path, words: list[str]
) -> None:
    assert not imported_by(*words) & {"alembic", "onnx", "onnxruntime", "matplotlib", "PIL", "safetensors"}


def test_python_m_filterkit_and_the_version(spawn: Run) -> None:
    ran = spawn("--version")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, f"filterkit {filterkit.__version__}\n", "")
    ran = spawn("--help")
    assert ran.exit_code == 0
    assert all(command in ran.stdout for command in COMMANDS)


def test_main_is_what_the_installed_command_calls(capsys: pytest.CaptureFixture[str]) -> None:
    from filterkit.cli import main

    assert callable(main)
    with pytest.raises(SystemExit) as done:
        cli.run(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"filterkit {filterkit.__version__}\n"
