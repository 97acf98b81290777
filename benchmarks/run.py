"""Print what filterkit's speed claims rest on: ratios, each measured within this one run.

``python benchmarks/run.py`` takes about a minute on two cores; VGG16 is fetched if it is not cached.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import onnx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import filterkit

SUBPLOTS = 256
"""Subplots drawn; their time is scaled up to all kernels, which takes minutes to measure."""


def seconds(action: Callable[[], Any], repeats: int = 5) -> float:
    """Median time of `action`, after one run that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def subplots(kernels: np.ndarray[Any, Any]) -> bytes:
    """Kernels as tutorials draw them: one pair of axes each."""
    side = round(len(kernels) ** 0.5)
    figure = Figure(figsize=(side / 2, side / 2))
    FigureCanvasAgg(figure)
    for number, kernel in enumerate(kernels):
        axes = figure.add_subplot(side, side, number + 1)
        axes.set_axis_off()
        axes.imshow(kernel, cmap="gray")
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def main() -> None:
    matplotlib.use("agg")
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder, filterkit.open(Path(folder) / "catalog.db") as bench:
        bench.add("vgg16")
        bank = bench.bank("vgg16/block1_conv2")
        count = bank.shape[0] * bank.shape[1]
        start = time.perf_counter()
        subplots(bank.reshape(count, 3, 3)[:SUBPLOTS])
        drawn = (time.perf_counter() - start) * count / SUBPLOTS
        mosaic = seconds(lambda: bench.render(bench.sheet("vgg16/block1_conv2"), "mosaic:scale=1"))
        [model] = Path(folder).rglob("model.onnx")
        load = seconds(lambda: onnx.load(model))
        one = seconds(lambda: bench.bank("vgg16/block5_conv3/7").sum(), 20)
        first = seconds(lambda: bench.feature_maps("vgg16/block1_conv2", picture))
        every = seconds(lambda: bench.feature_maps("vgg16", picture))
    print(f"{'what':<52}{'against':<36}{'ratio':>10}")
    print(f"{'-' * 50:<52}{'-' * 34:<36}{'-' * 10:>10}")
    for what, against, ratio in (
        (
            f"mosaic of {count:,} kernels, address to PNG",
            f"subplots ({SUBPLOTS} measured, scaled up)",
            mosaic / drawn,
        ),
        ("one filter of block5_conv3, address to array", "onnx.load of the model", one / load),
        ("feature maps of block1_conv2", "of all 13 layers", first / every),
    ):
        print(f"{what:<52}{against:<36}{f'1 : {1 / ratio:,.0f}' if ratio < 0.1 else f'{ratio:.2f}':>10}")


if __name__ == "__main__":
    main()
