"""What is looked at before anything of a plugin is imported."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import sys
import zipfile
from pathlib import Path

import pytest

from filterkit.errors import UsageError
from filterkit.plugins.candidate import Candidate, canonical
from filterkit.plugins.discovery import available, declarations, installed


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
    assert list(installed()) == []


@pytest.mark.parametrize(
    ("folder", "metadata"),
    [("other-1.dist-info", "METADATA"), ("other.egg-info", "PKG-INFO"), ("other-1.egg/EGG-INFO", "PKG-INFO")],
)
def test_every_form_of_a_plugins_distribution_is_seen(bare: Path, folder: str, metadata: str) -> None:
    info = bare / folder
    info.mkdir(parents=True)
    (info / metadata).write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n\nName: no header\n")
    (info / "entry_points.txt").write_text("[filterkit]\nplugin = other\n")
    sys.path.append(str(info.parent))
    assert [(candidate.name, candidate.version) for candidate in installed()] == [("other", "1")]


ENTRIES = """
# a comment
[console_scripts]
filterkit = theirs:main

[filterkit]
# another
one = a_plugin
two= a_plugin.deeper:Thing.inner
three=a_plugin [extra,more]

[filterkit.other]
four = no
"""


def test_what_is_read_is_what_python_says(bare: Path) -> None:
    for folder, text in (("a", ENTRIES), ("b", "[filterkit]\n")):
        info = bare / f"{folder}_plugin-1.0rc1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Name:  {folder}-plugin\nVersion: 1.0rc1\nKeywords: Name: x\n\nText\n"
        )
        (info / "entry_points.txt").write_text(text)
    [declared] = declarations()
    [said] = [d for d in importlib.metadata.distributions() if d.entry_points.select(group="filterkit")]
    entries = list(said.entry_points.select(group="filterkit"))
    assert (canonical(declared.name), declared.version) == (said.metadata["Name"], said.version)
    assert (
        [name for name, _ in declared.entries] == [entry.name for entry in entries] == ["one", "two", "three"]
    )
    found = {candidate.name: candidate for candidate in installed()}
    for entry in entries:
        candidate = found[f"a-plugin.{entry.name}"]
        assert (candidate.module, candidate.attribute) == (entry.module, entry.attr or "")


def test_what_is_no_folder_is_left_to_python(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(bare / "packages.zip", "w") as archive:
        archive.writestr("zipped-3.dist-info/METADATA", "Name: zipped\nVersion: 3\n")
        archive.writestr("zipped-3.dist-info/entry_points.txt", "[filterkit]\nplugin = zipped\n")
    sys.path.append(str(bare / "packages.zip"))
    assert [(candidate.name, candidate.version) for candidate in installed()] == [("zipped", "3")]
    sys.path.pop()
    assert list(installed()) == []

    class Finder:
        find_spec = staticmethod(lambda *_: None)
        find_distributions = staticmethod(importlib.metadata.MetadataPathFinder.find_distributions)

    info = bare / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[filterkit]\nplugin = other\n")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert [candidate.name for candidate in installed()] == ["other"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(folder))
    return folder


def single(folder: Path) -> list[Candidate]:
    return [candidate for candidate in available() if candidate.distribution is None]


def test_every_file_in_the_folder_is_a_plugin(folder: Path) -> None:
    for name in ("Black_White.py", "numpy.py", "_shared.py", ".hidden.py", "notes.txt", "a.b.py"):
        (folder / name).write_text("value = __name__")
    (folder / "package.py").mkdir()
    found = {candidate.name: candidate for candidate in single(folder)}
    assert set(found) == {"black-white", "numpy", "a-b"}
    assert found["numpy"].file == str(folder / "numpy.py")
    assert found["numpy"].load() is found["numpy"].load()
    assert found["numpy"].load() is not sys.modules.get("numpy")


def test_a_files_version_tells_its_content(folder: Path) -> None:
    (folder / "one.py").write_text("1")
    [before] = single(folder)
    (folder / "one.py").write_text("2")
    [after] = single(folder)
    assert before.version != after.version
    assert before.version.startswith("file-")


def test_a_folder_that_is_not_there_is_wrong_use(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(UsageError, match="cannot read the folder in FILTERKIT_PLUGINS_DIR") as caught:
        list(available())
    assert "unset" in str(caught.value.hint)


def test_a_folder_of_nobody_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", "~nobody-of-that-name/mine")
    with pytest.raises(UsageError, match="FILTERKIT_PLUGINS_DIR cannot be '~nobody-of-that-name/mine'"):
        list(available())
