"""Peak memory of processes, which does not grow with the number of pictures. (Not on Windows.)"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import Line
from PIL import Image

FEW, MANY = 100, 1_000

RUNS = (
    ("maps of all 13 layers to .npz", "vgg16", ("-o", "maps.npz")),
    ("maps of all 13 layers, rows only", "vgg16", ()),
    ("maps of block1_conv1 to PNG files", "vgg16/block1_conv1", ("-o", "maps", "--renderer", "mosaic")),
)


def lines(catalog: Path) -> Iterator[Line]:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (FEW, MANY):
            (folder / f"{count}").mkdir()
            for number in range(count):
                pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{count}" / f"{number:04}.png")
        for what, address, output in RUNS:
            options = ("--size", "64", "--provider", "cpu", "--format", "ndjson", "--quiet", *output)
            options += ("--catalog", str(catalog))
            # The first run cuts the network, which takes additional memory, and is not counted.
            _, few, many = (
                peak(folder, "maps", address, pictures, *options)
                for pictures in (f"{FEW}/0000.png", f"{FEW}", f"{MANY}")
            )
            yield Line(f"peak memory, {what}", f"{MANY} pictures : {FEW}", many / few, 1.1)


def peak(folder: Path, *words: str) -> int:
    """Run filterkit in `folder`; returns its peak memory."""
    child = subprocess.Popen(
        [sys.executable, "-m", "filterkit", *words], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"filterkit {' '.join(words)} failed")
    return usage.ru_maxrss
