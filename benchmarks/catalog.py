"""Adding a model, and reading one filter."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from measuring import Line, in_turn, megabytes, process, ratios, seconds

import filterkit

METRICS = ["basic"]
"""The metrics used when adding is measured; the other metrics have a line of their own."""

ADD = """
import filterkit
with filterkit.open({catalog!r}) as bench:
    bench.add({model!r}, name="vgg16", metrics={metrics!r})
"""


LOAD = """
import time
import onnx
start = time.perf_counter()
onnx.load({model!r})
print(time.perf_counter() - start)
"""

BY_HAND = """
import hashlib, os
from pathlib import Path
import onnx
from onnx import numpy_helper

content = Path({model!r}).read_bytes()
hashlib.sha256(content).hexdigest()
graph = onnx.load_model_from_string(content).graph
weights = {{node.input[1] for node in graph.node if node.op_type == "Conv"}}
tensors = [each for each in graph.initializer if each.name in weights]
banks = b"".join(numpy_helper.to_array(each).tobytes() for each in tensors)
hashlib.sha256(banks).hexdigest()
for name, written in (("model.onnx", content), ("banks", banks)):
    with Path({folder!r}, name).open("wb") as file:
        file.write(written)
        file.flush()
        os.fsync(file.fileno())
"""
"""What adding cannot do without: read, hash, parse, and write both files durably."""


def adding(model: Path, name: str, *, repeats: int, files: int) -> Iterator[Line]:
    """Time and peak memory of adding a model to a new catalog, as whole processes.

    Within one process the time varies threefold with what its allocator has kept of earlier turns.
    """

    def script(code: str) -> Callable[[], None]:
        """Runs `code` in a process of its own, each time with another folder."""

        def run() -> None:
            new = folders / str(next(numbers))
            new.mkdir()
            given = {"catalog": str(new / "catalog.db"), "folder": str(new)}
            text = code.format(model=str(model), metrics=METRICS, **given)
            process([sys.executable, "-c", text])()

        return run

    size = model.stat().st_size / 2**20
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        folders = Path(folder)
        times = in_turn({"add": script(ADD), "by hand": script(BY_HAND)}, repeats)
    each = ratios(times["add"], times["by hand"])
    what = f"add of {name}, {size:.0f} MB, whole processes"
    yield Line(what, "read, hash, parse, write both files, fsync", median(each), 1.5, each)
    with tempfile.TemporaryDirectory() as folder:
        peak = megabytes(ADD.format(catalog=f"{folder}/catalog.db", model=str(model), metrics=METRICS))
    limit = f"{files} x the file + 250 MB"
    yield Line("peak memory of that add, whole process", limit, peak / (files * size + 250), 1)


def lines(catalog: Path) -> Iterator[Line]:
    [model] = catalog.with_suffix(".store").glob("models/*/model.onnx")

    yield from adding(model, "VGG16", repeats=9, files=3)
    with filterkit.open(catalog) as bench:

        def read() -> None:
            bench.bank("vgg16/block5_conv3/7").sum()

        read()
        own, loads = [], []
        for _ in range(9):  # each load in a new process, whose allocator has kept nothing
            own.append(seconds(lambda: [read() for _ in range(20)]) / 20)
            command = [sys.executable, "-c", LOAD.format(model=str(model))]
            loads.append(float(subprocess.run(command, check=True, capture_output=True).stdout))
    each = ratios(own, loads)
    yield Line("bank('vgg16/block5_conv3/7'), open catalog", "onnx.load, new process", median(each), 1 / 100)
