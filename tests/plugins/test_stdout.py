"""What plugins print goes to stderr: stdout is for data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bad_plugins import NAME, Install

import filterkit

NOISY = """
import os, subprocess, sys
import filterkit
def say():
    print("words"); os.write(1, b"words\\n")
    subprocess.run([sys.executable, "-c", "print('words')"], check=True)
say()
class Noisy:
    def normalize(self, values):
        say()
        return filterkit.Normalized(values * 0, None, None, None)
@filterkit.hookimpl
def filterkit_normalizers():
    say()
    return [filterkit.Contribution("noisy", "Noisy", Noisy)]
@filterkit.hookimpl
def filterkit_commands(app):
    say()
    @app.command()
    def noisy(): print("data")
"""


def test_stdout_is_for_data(install: Install, classic_catalog: Path, tmp_path: Path) -> None:
    site = install(NAME, NOISY).parent
    paths = [str(site), str(Path(filterkit.__file__).parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "FILTERKIT_PLUGINS_TIMEOUT": "60"}

    def stdout(*words: str) -> str:
        command = [sys.executable, "-m", "filterkit", *words]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert done.stderr.count("words") >= 6
        return done.stdout

    assert stdout("noisy") == "data\n"
    catalog = ("--catalog", str(classic_catalog), "--format", "json")
    shown = stdout("show", "classic/emboss", "--normalizer", "noisy", "-o", "emboss.png", *catalog)
    assert "words" not in shown
    assert (tmp_path / "emboss.png").stat().st_size
