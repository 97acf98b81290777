"""The whole of VGG16 with its dense layers, 553 MB, as Keras exports it (needs the extra ``keras``).

Its weights are random, which costs the same; the filters are a tenth of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from catalog import adding
from measuring import Line

EXPORT = (
    "import filterkit, sys\nwith filterkit.open(sys.argv[1]) as bench: bench.add('keras:VGG16?weights=none')"
)
"""In a separate process, which releases its memory."""


def lines(catalog: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", EXPORT, f"{folder}/exported.db"], check=True)
        [model] = Path(folder, "exported.store").glob("models/*/model.onnx")
        yield from adding(model, "whole VGG16 from Keras", repeats=3, files=2)
