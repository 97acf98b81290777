"""The page about pictures: its commands run."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
LINES = code_blocks((DOCS / "pictures.md").read_text(encoding="utf-8"), "console")[0].splitlines()


@pytest.mark.zoo
def test_the_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo_model: Callable[[str], Path]
) -> None:
    for name in ("vgg16", "basic-pitch"):
        zoo_model(name)  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    with filterkit.open("catalog.db") as bench:
        bench.add("vgg16")
        bench.add("basic-pitch")
    random = np.random.default_rng(0)
    for name in ("photos/cat/1.jpg", "photos/tree/1.jpg", "my, photo.png"):
        Path(name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(name)
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("photos/cat/1.jpg", "cat/1.jpg")
    Path("more.txt").write_text('"my, photo.png",cat\n')
    sound = random.normal(size=(2, 43844, 1)).astype(np.float32)
    np.savez("sound.npz", **{"serving_default_input_2:0": sound})
    assert len(LINES) == 3
    for line in LINES:
        program, *words = shlex.split(line.removeprefix("$ "))
        assert program == "filterkit"
        done = CliRunner().invoke(build_app(), words)
        assert done.exit_code == 0, f"{line}: {done.stderr}"
    assert sorted(path.name for path in Path("maps").iterdir()) == ["1", "1_2", "my, photo"]
    with np.load("maps.npz") as maps:
        assert len(maps["contours-reduced"]) == 2
