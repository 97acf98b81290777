"""What plugins print goes to stderr: stdout is for data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bad_plugins import NAME, Install

import filterkit
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.stdout import stdout_for_data

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


def test_threads_share_it_and_the_last_one_restores(capfd: pytest.CaptureFixture[str]) -> None:
    plugin, before = Plugin(NAME, "1.2", None, "bad"), sys.stdout
    inside, leave = threading.Barrier(3), threading.Event()

    def talk(number: int) -> None:
        with stdout_for_data(plugin):
            inside.wait(60)
            sys.stdout.write(f"words {number}\n")  # one write: print writes the line break apart
            sys.stdout.flush()
            os.write(1, b"more words\n")
            leave.wait(60)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(60)
    assert sys.stdout is sys.stderr
    leave.set()
    for thread in threads:
        thread.join()
    assert sys.stdout is before
    print("data", flush=True)
    os.write(1, b"more data\n")
    captured = capfd.readouterr()
    assert sorted(captured.out.splitlines()) == ["data", "more data"]
    assert sorted(captured.err.splitlines()) == ["more words"] * 2 + ["words 0", "words 1"]


def test_it_is_restored_after_an_error_and_not_taken_from_built_in_plugins() -> None:
    before = sys.stdout
    with pytest.raises(ZeroDivisionError), stdout_for_data(Plugin(NAME, "1.2", None, "bad")):
        assert sys.stdout is not before
        raise ZeroDivisionError
    with stdout_for_data(Plugin("filterkit.sources", "1", None, "filterkit.sources")):
        assert sys.stdout is before
