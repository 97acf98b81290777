"""Resume an interrupted run over a folder of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import filterkit


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures, of which two have the same stem and one cannot be read."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.bmp", "b.png", "c.png")):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "b.gif").write_text("not a picture")
    return folder


class Runs:
    """Writes maps to a folder, and returns the names of the pictures that the network ran on."""

    def __init__(self, bench: filterkit.Workbench, pictures: Path, output: Path) -> None:
        self.bench, self.pictures, self.output = bench, pictures, output
        self.unreadable: list[Exception] = []

    def results(self, *, renderer: str | None = None, skip: bool = True) -> Iterator[Any]:
        skipping: Any = {"skip_existing": self.output, "renderer": renderer} if skip else {}
        images = [self.pictures]
        maps = self.bench.iter_feature_maps("net", images, unreadable=self.unreadable.append, **skipping)
        yield from self.bench.write_maps(maps, self.output, renderer=renderer)

    def run(self, **options: Any) -> list[str]:
        return [Path(maps.image).name for maps, _ in self.results(**options)]


@pytest.fixture
def runs(small: filterkit.Workbench, pictures: Path, tmp_path: Path) -> Runs:
    return Runs(small, pictures, tmp_path / "maps")


def test_an_interrupted_run_is_resumed(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    first = runs.results()
    for _ in range(2):
        next(first)
    first.close()  # type: ignore[attr-defined]
    (runs.output / "b" / "conv2.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in runs.output.rglob("*.png")}
    assert len(before) == 3
    caplog.set_level("WARNING", "filterkit")
    assert runs.run() == ["b.bmp", "b.png", "c.png"]
    assert "skipped 1 picture" in caplog.text
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path.parent.name == "a")
    assert runs.run() == []
    assert "skipped 4 pictures whose files exist already" in caplog.text
    assert len(runs.unreadable) >= 2  # what cannot be read is reported in every run
    assert runs.run(skip=False) == ["a.png", "b.bmp", "b.png", "c.png"]


def test_names_do_not_depend_on_what_is_skipped(runs: Runs) -> None:
    runs.run()
    folders = {path.name for path in runs.output.iterdir()}
    assert folders == {"a", "b", "b_3", "c"}  # b_2 is the one that cannot be read
    contents = {path: path.read_bytes() for path in runs.output.rglob("*.png")}
    for path in contents:
        path.unlink()
        runs.run()
        assert {each: each.read_bytes() for each in runs.output.rglob("*.png")} == contents


def test_files_are_those_of_the_renderer(runs: Runs) -> None:
    runs.run()
    assert len(runs.run(renderer="mosaic:format=webp")) == 4
    assert runs.run(renderer="mosaic:format=webp") == []
    assert runs.run(renderer="mosaic:scale=2") == []  # options are not compared


def test_a_single_picture(runs: Runs, pictures: Path, tmp_path: Path) -> None:
    runs.pictures, runs.output = pictures / "a.png", tmp_path / "one.png"
    runs.output.write_bytes(b"anything")
    assert runs.run() == []
    runs.output = tmp_path / "folder"
    assert runs.run() == ["a.png"]
    assert {path.name for path in runs.output.iterdir()} == {"conv1.png", "conv2.png"}
    assert runs.run() == []


def test_what_cannot_be_skipped(small: filterkit.Workbench, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(filterkit.UsageError, match=r"no picture can be skipped for maps\.npz"):
        list(small.iter_feature_maps("net", [photo], skip_existing=tmp_path / "maps.npz"))
    inputs = {"x": np.zeros((1, 3, 4, 4), np.float32)}
    with pytest.raises(filterkit.UsageError, match="only pictures can be skipped"):
        list(small.iter_feature_maps("net", inputs=inputs, skip_existing=tmp_path))
