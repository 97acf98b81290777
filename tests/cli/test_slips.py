"""Typing errors in selections, conditions and options, and the corrected commands in the hints."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import onnx
import pytest
from command_line import Run, write_photo
from onnx_graphs import build, node, random

import filterkit


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog of a network and of the classic kernels, and a picture."""
    folder = tmp_path_factory.mktemp("slips")
    nodes = [node("Conv", "x w", "y", name="conv1")]
    onnx.save(build(nodes, {"x": [1, 3, 16, 16]}, {"w": random(4, 3, 3, 3)}), folder / "net.onnx")
    write_photo(folder / "photo.png")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx")
        bench.add("classic")
    return folder


@pytest.fixture(autouse=True)
def _in_a_copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILTERKIT_CATALOG", str(tmp_path / "catalog.db"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("filters net/conv1/0-2", ["filters net/conv1/0:2"]),
        ("filters net/conv1/0..2", ["filters net/conv1/0:2"]),
        ("filters 'net/conv1/0;1'", ["filters net/conv1/0,1"]),
        ("filters 'net/conv1/[0, 2]'", ["filters net/conv1/0,2"]),
        ("filters net/conv1/all", ["filters 'net/conv1/*'"]),
        ("show net/conv1/0/0-2 -o x.png", ["show net/conv1/0/0:2 -o x.png"]),
        ("stats net classic", ["stats net", "stats classic"]),
        ("show net/conv1 x.png", ["show net/conv1 -o x.png"]),
        ("show x.png net/conv1", ["show net/conv1 -o x.png"]),
        ("export net/conv1 x.npy", ["export net/conv1 -o x.npy"]),
        ("export x.npy net/conv1", ["export net/conv1 -o x.npy"]),
        ("maps net conv1 photo.png", ["maps net/conv1 photo.png"]),
        ("add classic other", ["add classic --name other"]),
        ("help", ["--help"]),
        ("help show", ["show --help"]),
    ],
)
def test_the_command_that_is_shown_runs(run: Run, written: str, expected: list[str]) -> None:
    code, _, hint = run(*shlex.split(written)).failure
    shown = re.findall(r"`filterkit ([^`]*)`", hint)
    assert (code, shown) == (2, expected)
    for each in shown:
        assert run(*shlex.split(each)).exit_code == 0, each


@pytest.mark.parametrize("selection", ["first", "1px", ",[,[1", "[" * 5000 + "x"])
def test_selections_that_mean_nothing(run: Run, selection: str) -> None:
    code, error, _ = run("filters", f"net/conv1/{selection}").failure
    assert code == 2 and "is not a selection" in error


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("l2_norm > 1px", "a number has no unit"),
        ("l2_norm > 1 && mean > 0", "write and"),
        ("l2_norm > 1 || mean > 0", "write or"),
        ("sparsity > 50%", "a share is a number from 0 to 1"),
        ('layer = "conv1"', "put text in single quotes"),
        ("filters.l2_norm > 1", "did you mean 'filter.l2_norm'"),
    ],
)
def test_conditions_as_other_languages_write_them(run: Run, condition: str, hint: str) -> None:
    code, _, found = run("filters", "net", "--where", condition).failure
    assert code == 2
    assert hint in found


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select * from layer where name = conv1", "put text in single quotes: 'conv1'"),
        ("select * from layer where name like Conv", "put text in single quotes: 'Conv'"),
        ("select * from layer where positon = 1", "did you mean 'position'"),
    ],
)
def test_texts_without_quotes_in_sql(run: Run, sql: str, hint: str) -> None:
    code, _, found = run("query", sql).failure
    assert code == 2
    assert hint in found


@pytest.mark.parametrize("spec", ["unit size=8", "unit,size=8", "Unit?size=8", "unit size=8; scale=1"])
def test_options_of_a_preprocessing_set_apart_otherwise(run: Run, spec: str) -> None:
    code, _, hint = run("add", "net.onnx", "--replace", "--preprocessing", spec).failure
    assert code == 2 and hint.startswith("write unit:size=8")
    right = hint.removeprefix("write ")
    assert run("add", "net.onnx", "--replace", "--preprocessing", right).exit_code == 0
