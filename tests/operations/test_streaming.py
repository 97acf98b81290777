"""However many pictures there are, few of them and of their maps are in memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.cli.shell import Shell
from filterkit.cli.support.maps_output import Style, deliver

BATCH = 8
PICTURES = 200


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    model = build(
        [node("Conv", "x v", "a"), node("Relu", "a", "b"), node("Conv", "b w", "c"), node("Relu", "c", "d")],
        {"x": ["N", 3, "H", "W"]},
        {"v": random(4, 3, 3, 3), "w": random(5, 4, 3, 3)},
        outputs=["d"],
    )
    onnx.save(model, tmp_path / "small.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "small.onnx")
        yield bench


class Alive:
    """Counts arrays that are still referenced."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def watch(self, array: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        weakref.finalize(array, self._gone)
        return array

    def _gone(self) -> None:
        self.now -= 1


@pytest.mark.parametrize("output", ["maps.npz", "maps"])
def test_pictures_and_maps_are_let_go(bench: filterkit.Workbench, tmp_path: Path, output: str) -> None:
    pictures, maps = Alive(), Alive()
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 12, 12, 3), dtype=np.uint8)
    count = PICTURES if output.endswith(".npz") else 3 * BATCH  # drawing takes its time

    def given() -> Iterator[Any]:
        for each in pixels[:count]:
            yield pictures.watch(each.copy())

    def results() -> Iterator[Any]:
        for result in bench.iter_feature_maps("small", given(), provider="cpu"):
            for array in result.maps.values():
                maps.watch(array)
            yield result

    shell = Shell(catalog=None, format="ndjson", quiet=True, debug=False)
    rows = deliver(
        shell,
        bench,
        results(),
        tmp_path / output,
        Style(normalizer="minmax", renderer="mosaic"),
    )
    assert sum(1 for _ in rows) == 2 * count
    assert pictures.most <= 2 * BATCH + 2  # a batch, the next, and what showed that it was full
    assert maps.most <= 2 * 2 * BATCH
    if output.endswith(".npz"):
        with np.load(tmp_path / output) as stored:
            assert sorted(array.shape for array in stored.values()) == [(count, 4, 10, 10), (count, 5, 8, 8)]


def test_every_picture_keeps_its_name(bench: filterkit.Workbench, tmp_path: Path) -> None:
    from PIL import Image

    paths = [tmp_path / folder / f"{number}.png" for folder in "ab" for number in range(11)]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (12 + number % 3, 12), (number, 0, 0)).save(path)
    results = list(bench.iter_feature_maps("small", iter(paths), size="original"))
    assert [result.image for result in results] == list(map(str, paths))
    assert len({result.image_name for result in results}) == len(paths)
    for path, result in zip(paths, results, strict=True):
        alone = bench.feature_maps("small", path, size="original")
        for name, array in alone.maps.items():
            np.testing.assert_allclose(result.maps[name], array, rtol=1e-5, atol=1e-5)
