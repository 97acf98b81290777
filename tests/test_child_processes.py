"""Children of Python import nothing from the current folder, and neither does a search for modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from filterkit.child_processes import can_import, environment, import_folders, no_python, python
from filterkit.errors import RuntimeFailure

SHOW = "import sys, lure; print(lure.__file__)"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module in it."""
    (tmp_path / "lure.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_the_current_folder_is_not_on_the_path_of_children(here: Path) -> None:
    for arguments in (["-c", SHOW], ["-m", "lure"]):
        done = subprocess.run(python(*arguments), env=environment(), capture_output=True, text=True)
        assert done.returncode == 1 and "lure" in done.stderr.splitlines()[-1]
    inner = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {SHOW!r}]).returncode)"
    assert subprocess.run(python("-c", inner), env=environment(), capture_output=True).returncode == 1


@pytest.mark.parametrize("entry", ["", ".", "./", "more/.."])
def test_entries_that_mean_the_current_folder_are_left_out(
    here: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "more").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([entry, "more"]))
    assert environment()["PYTHONPATH"] == str(here / "more")
    monkeypatch.setattr(sys, "path", [entry, str(here / "more")])
    assert list(import_folders()) == [str(here / "more")]
    assert not can_import("lure")


def test_a_folder_that_is_named_may_be_the_current_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(here)])
    assert not can_import("lure"), "a notebook puts it there"
    monkeypatch.setenv("PYTHONPATH", str(here))
    assert can_import("lure") and "lure" not in sys.modules
    done = subprocess.run(python("-c", SHOW), env=environment(), capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).samefile(here / "lure.py")


def test_variables_are_added() -> None:
    made = environment(LURE="1")
    assert (made["LURE"], made["PYTHONSAFEPATH"]) == ("1", "1")
    assert "LURE" not in os.environ


def test_children_load_onnx_runtime_without_its_telemetry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    folder = environment(TMPDIR=str(tmp_path), TEMP=str(tmp_path), TMP=str(tmp_path))
    subprocess.run(python("-c", "import onnxruntime"), env=folder, check=True)
    assert [*tmp_path.iterdir()] == []
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert environment()["ORT_DISABLE_TELEMETRY"] == "0"


def test_modules_that_are_blocked_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_import("json") and not can_import("no_module_of_that_name")
    monkeypatch.setitem(sys.modules, "json", None)
    assert not can_import("json")


def test_what_is_said_where_no_child_starts() -> None:
    error = no_python(RuntimeFailure, "no such file")
    assert isinstance(error, RuntimeFailure) and "no such file" in error.message
    assert sys.executable in str(error.hint)
