"""Taking a model in, and getting one filter out."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from measuring import Line, megabytes, ratio

import filterkit

ADD = "import filterkit, sys\nwith filterkit.open({catalog!r}) as bench: bench.add({model!r}, name='vgg16')"


def lines(catalog: Path) -> Iterator[Line]:
    [model] = catalog.with_suffix(".store").glob("models/*/model.onnx")

    def read() -> None:
        hashlib.sha256(model.read_bytes()).hexdigest()
        onnx.load(model)

    def add() -> None:
        with filterkit.open(folders / str(next(numbers)) / "catalog.db") as bench:
            Path(bench.location).parent.mkdir()
            bench.add(model, name="vgg16")

    size = model.stat().st_size / 2**20
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        folders = Path(folder)
        slower = ratio(add, read)
    yield Line(f"add of VGG16, {size:.0f} MB, local", "read + sha256 + onnx.load of it", slower, 3)
    with tempfile.TemporaryDirectory() as folder:
        peak = megabytes(ADD.format(catalog=f"{folder}/catalog.db", model=str(model)))
    yield Line("peak memory of that add, the process", "3 x the file + 250 MB", peak / (3 * size + 250), 1)
    with filterkit.open(catalog) as bench:
        yield Line(
            "bank('vgg16/block5_conv3/7'), open catalog",
            "onnx.load of the model",
            ratio(lambda: bench.bank("vgg16/block5_conv3/7").sum(), lambda: onnx.load(model), times=20),
            1 / 100,
        )
