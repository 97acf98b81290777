"""Imports from the current folder, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import filterkit_torch

MARK = "open('RUN', 'a').write(__name__ + ' ')\n"


def ran(folder: Path, code: str) -> str:
    """What `code` printed in `folder`, run by Python as the source starts it."""
    paths = [str(Path(filterkit_torch.__file__).parents[1]), *filter(os.path.isabs, sys.path)]
    code = f"import sys; sys.path[:] = {paths!r}; from filterkit_torch.working_folder import *; {code}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("numpy", "onnx", "json"):
        (tmp_path / f"{name}.py").write_text(MARK)
    (tmp_path / "mynet.py").write_text(MARK + "import numpy, blocks\ndef late(): import onnx, more\n")
    (tmp_path / "blocks.py").write_text(MARK)
    (tmp_path / "more.py").write_text(MARK)
    return tmp_path


def test_the_module_and_its_own_are_found_and_nothing_replaces_an_installed_one(folder: Path) -> None:
    ran(folder, "import_asked_for('mynet').late()")
    assert (folder / "RUN").read_text().split() == ["mynet", "blocks", "more"]


def test_an_installed_module_gets_nothing_of_the_folder(folder: Path) -> None:
    assert ran(folder, "print(import_asked_for('xml.dom').__name__, *sys.path)").startswith("xml.dom ")
    assert ran(folder, "import_asked_for('xml.dom'); print(*sys.path)").count(str(folder)) == 0
    assert not (folder / "RUN").exists()


def test_a_folder_without_code_is_no_package(folder: Path) -> None:
    (folder / "xml").mkdir()
    assert ran(folder, "print(import_asked_for('xml.dom').__name__)") == "xml.dom"
    (folder / "nets").mkdir()
    (folder / "nets" / "small.py").write_text("")
    assert ran(folder, "print(import_asked_for('nets.small').__name__)") == "nets.small"


def test_what_the_process_starts_goes_without_the_folder_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filterkit_torch.working_folder import without_working_folder

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", "src", str(folder)]))
    found = without_working_folder()
    assert found["PYTHONSAFEPATH"] == "1"
    assert found["PYTHONPATH"] == os.pathsep.join([str(Path("src").absolute()), str(folder)])
