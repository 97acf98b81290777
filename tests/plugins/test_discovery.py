"""What is looked at before anything of a plugin is imported."""

from __future__ import annotations

import importlib.machinery
import sys
import zipfile
from pathlib import Path

import pytest

from filterkit.plugins.discovery import installed, may_be_installed


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all there is on ``sys.path``."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing")])
    finders = [finder for finder in sys.meta_path if not hasattr(finder, "find_distributions")]
    monkeypatch.setattr(sys, "meta_path", [*finders, importlib.machinery.PathFinder])
    return tmp_path


def test_distributions_without_plugins_need_no_further_look(bare: Path) -> None:
    info = bare / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nfilterkit = other:main\n")
    assert not may_be_installed()
    assert list(installed()) == []


@pytest.mark.parametrize("folder", ["other-1.dist-info", "other.egg-info", "other-1.egg/EGG-INFO"])
def test_every_form_of_a_plugins_distribution_is_seen(bare: Path, folder: str) -> None:
    info = bare / folder
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[filterkit]\nplugin = other\n")
    sys.path.append(str(info.parent))
    assert may_be_installed()
    assert [candidate.name for candidate in installed()] == ["other"]


def test_what_is_no_folder_is_left_to_python(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(bare / "packages.zip", "w"):
        pass
    sys.path.append(str(bare / "packages.zip"))
    assert may_be_installed()
    sys.path.pop()
    assert not may_be_installed()

    class Finder:
        find_spec = staticmethod(lambda *_: None)
        find_distributions = staticmethod(lambda *_: [])

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert may_be_installed()
