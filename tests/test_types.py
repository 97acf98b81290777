"""What type checkers and editors know of the public API: a program of a user, checked by mypy and pyright."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import venv
from pathlib import Path

import pytest

import filterkit

RIGHT = """
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import filterkit
from filterkit.results.diff import Differences
from filterkit.results.maps import FeatureMaps
from filterkit.results.rows import Column, Rows
from filterkit.results.sheet import Sheet
from filterkit.results.similar import Neighbours

with filterkit.open("catalog.db", progress=False) as bench:
    assert_type(bench, filterkit.Workbench)
    rows = bench.filters("vgg16", sort=["layer", "-l2_norm"], limit=5)
    assert_type(rows, Rows)
    assert_type(rows[:2], Rows)
    assert_type(rows["l2_norm"], Column)
    assert_type(rows[["address", "l2_norm"]], Rows)
    for row in rows:
        print(row["address"])
    neighbours = bench.similar("vgg16/block1_conv1/0", level="filter", invariant=("scale", "flip"))
    assert_type(neighbours, Neighbours)
    assert_type(neighbours[:3], Neighbours)
    differences = bench.diff("a", "b", "c", match="assignment", level="filter")
    assert_type(differences, Differences)
    maps = bench.feature_maps("vgg16/block1_conv1", np.zeros((8, 8, 3)), at="pre", provider="cpu")
    assert_type(maps, FeatureMaps)
    for each in (maps["block1_conv1"].mean(), maps[0].mean(), maps[:2, 0]):
        print(each)
    bench.feature_maps("vgg16/block1_conv1", "photo.png", size=224)
    bench.convolve("classic/edge_sobel_x", "photo.png", size=(240, 320))
    bench.sheet(rows)
    for each_maps in bench.iter_feature_maps("vgg16/block1_conv1", "photos"):
        list(bench.write_maps(each_maps, "maps.npz"))
    weights: NDArray[np.floating] = bench.bank("vgg16/block1_conv1")
    sheet = bench.sheet("vgg16/block1_conv1", channels="rgb")
    assert_type(sheet, Sheet)
    picture: bytes = bench.stats_chart("vgg16", format="svg")
    sheet.save("filters.png")
    maps.save("maps.npz")
    bench.sheet(neighbours)
    bench.sheet(differences)
    bench.sheet(maps)
"""

WRONG = """
import filterkit

bench = filterkit.open("catalog.db")
bench.feature_maps("a/b", at="psot")
bench.feature_maps("a/b", provider="gpu")
bench.sheet("a/b", channels="rbg")
bench.similar("a/b/0", level="layer")
bench.similar("a/b/0", invariant=["scale", "rotated"])
bench.duplicates("a", invariant=["flip"])
bench.diff("a", "b", match="names")
bench.diff("a", "b", level="kernel")
bench.stats_chart("a", format="gif")
bench.filters("a", limit="5")
bench.filter("a")
filterkit.opne("catalog.db")
"""


TOOLS = [["mypy", "--strict", "--no-incremental", "--python-executable"], ["pyright", "--pythonpath"]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which filterkit is installed as a folder: the checkers run no code of import hooks."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    [packages] = folder.rglob("site-packages")
    paths = [Path(filterkit.__file__).parents[1], *site.getsitepackages()]
    (packages / "installed.pth").write_text("".join(f"{path}\n" for path in paths))
    return next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())


def check(tool: list[str], python: Path, folder: Path, program: str) -> tuple[int, str]:
    """Check a program in a folder of its own, as a user of the installed package does."""
    if shutil.which(tool[0]) is None:
        pytest.skip("needs the extra dev")
    if subprocess.run([tool[0], "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{tool[0]} cannot be started")  # pyright downloads itself when it first runs
    (folder / "program.py").write_text(program)
    command = [*tool, str(python), "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool[0])
def test_a_program_with_types_is_accepted(tool: list[str], python: Path, tmp_path: Path) -> None:
    code, said = check(tool, python, tmp_path, RIGHT)
    assert code == 0, said


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool[0])
def test_every_mistake_is_found(tool: list[str], python: Path, tmp_path: Path) -> None:
    code, said = check(tool, python, tmp_path, WRONG)
    assert code == 1
    lines = {int(number) for number in re.findall(r"program\.py:(\d+):.*?error", said)}
    mistakes = {number for number, line in enumerate(WRONG.split("\n"), 1) if "(" in line} - {4}
    assert lines == mistakes, said
