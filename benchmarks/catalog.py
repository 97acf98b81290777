"""Adding a model, and reading one filter."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from measuring import Line, megabytes, ratio

import filterkit

METRICS = ["basic"]
"""The metrics used when adding is measured; the other metrics have a line of their own."""

ADD = """
import filterkit
with filterkit.open({catalog!r}) as bench:
    bench.add({model!r}, name="vgg16", metrics={metrics!r})
"""


def adding(model: Path, name: str, *, repeats: int, files: int) -> Iterator[Line]:
    """Time of adding a model to a new catalog, in this process like its baseline, and its peak memory."""

    def read() -> None:
        hashlib.sha256(model.read_bytes()).hexdigest()
        onnx.load(model)

    def add() -> None:
        folder = folders / str(next(numbers))
        folder.mkdir()
        with filterkit.open(folder / "catalog.db") as bench:
            bench.add(model, name="vgg16", metrics=METRICS)

    size = model.stat().st_size / 2**20
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        folders = Path(folder)
        slower = ratio(add, read, repeats)
    yield Line(f"add of {name}, {size:.0f} MB, basic metrics", "read + sha256 + onnx.load", slower, 3)
    with tempfile.TemporaryDirectory() as folder:
        peak = megabytes(ADD.format(catalog=f"{folder}/catalog.db", model=str(model), metrics=METRICS))
    limit = f"{files} x the file + 250 MB"
    yield Line("peak memory of that add, whole process", limit, peak / (files * size + 250), 1)


def lines(catalog: Path) -> Iterator[Line]:
    [model] = catalog.with_suffix(".store").glob("models/*/model.onnx")

    yield from adding(model, "VGG16", repeats=9, files=3)
    with filterkit.open(catalog) as bench:
        yield Line(
            "bank('vgg16/block5_conv3/7'), open catalog",
            "onnx.load of the model",
            ratio(lambda: bench.bank("vgg16/block5_conv3/7").sum(), lambda: onnx.load(model), times=20),
            1 / 100,
        )
