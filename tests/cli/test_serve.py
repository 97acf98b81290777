"""``filterkit serve``: what it says where it cannot serve. Its pages are tested in ``tests/web``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run


def test_there_must_be_a_catalog(run: Run) -> None:
    code, error, hint = run("serve", "--catalog", "none.db", "--port", "0").failure
    assert code == 1
    assert error.startswith("there is no catalog at ")
    assert "filterkit add vgg16" in hint


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_the_port_is_checked(run: Run, port: str) -> None:
    assert run("serve", "--port", port).failure[0] == 2


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "jinja2"])
def test_without_the_extra(package: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from filterkit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: the explorer needs {package}, which is not installed",
        "hint: pip install 'cnn-filterkit[web]'",
    ]
