"""A short, repeatable run of the fuzz target for catalogs; the long ones are started by hand."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_catalog_commands import choose
from fuzz_catalogs import fuzz, mutate, prepare
from fuzz_scene import Scene

RUNS = 40

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, and what is seen by inotify")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    prepare(folder)
    return folder


@pytest.mark.parametrize("name", ["classic", "networks", "without_wal"])
def test_the_corpus_itself_is_taken(corpus: Path, tmp_path: Path, name: str) -> None:
    """Sound catalogs are not refused, or the target would test the door alone."""
    shutil.copytree(corpus / "models", tmp_path / "work")
    shutil.copytree(corpus / "catalogs" / name, tmp_path / "work" / "shared")
    for words in (
        "layers *",
        "filters * --where mean>0",
        "export * -o all.npz",
        "add new.onnx",
        "remove new",
    ):
        command = [sys.executable, "-m", "filterkit", *words.split(), "--catalog", "shared/catalog.db"]
        subprocess.run(command, cwd=tmp_path / "work", check=True, capture_output=True)


def test_damaged_catalogs_are_read_or_refused_and_nothing_else_is_touched() -> None:
    reports = fuzz(range(RUNS), workers=2, seed=0)
    assert [each for each in reports if each["finding"]] == []
    assert len(reports) == RUNS and {each["outcome"] for each in reports} == {"fine", "refused"}


def test_runs_come_again(corpus: Path, tmp_path: Path) -> None:
    said = []
    for name in ("first", "second"):
        shutil.copytree(corpus / "catalogs" / "networks", tmp_path / name / "shared")
        outside = tmp_path / name / "outside"
        scene = Scene(tmp_path / name / "shared", outside, [outside / "missing"])
        for number in range(10):
            said.append((name, mutate(scene, random.Random(f"0-{number}"))))
            shutil.rmtree(scene.folder)
            shutil.copytree(corpus / "catalogs" / "networks", scene.folder)
    assert [text for name, text in said if name == "first"] == [
        text.replace("/second/", "/first/") for name, text in said if name == "second"
    ]
    assert choose(random.Random(1), ["a"], ["a/b"]) == choose(random.Random(1), ["a"], ["a/b"])
