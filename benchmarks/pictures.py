"""Drawing many kernels as one picture: bank to PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from measuring import Line, ratio, seconds
from PIL import Image
from skimage.util import montage

import filterkit
from filterkit.sheets.tiles import bank_sheet

Kernels = np.ndarray[Any, Any]

SUBPLOTS = 256
"""Subplots drawn if thousands would take minutes; their time is scaled up, which is in their favour."""


def subplots(kernels: Kernels) -> bytes:
    """Kernels as tutorials draw them: one subplot each."""
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


def montaged(kernels: Kernels) -> bytes:
    """Kernels arranged by scikit-image, one pixel apart, and written by Pillow."""
    low, high = kernels.min(), kernels.max()
    sheet = montage((kernels - low) / (high - low), padding_width=1)
    out = io.BytesIO()
    Image.fromarray(np.uint8(sheet * 255)).save(out, "png")
    return out.getvalue()


def lines(catalog: Path) -> Iterator[Line]:
    matplotlib.use("agg")
    with filterkit.open(catalog) as bench:
        for address in ("vgg16/block1_conv2", "vgg16/block5_conv3"):
            bank = bench.bank(address)
            kernels = bank.reshape(-1, *bank.shape[2:])
            count = len(kernels)

            def mosaic(bank: Kernels = bank) -> bytes:
                normalized = bench.registry.create("normalizer", "minmax").normalize(bank)
                filters, each = bank.shape[:2]
                sheet = bank_sheet(normalized, filters=range(filters), kernels=range(each))
                return bench.render(sheet, "mosaic:scale=1")

            mosaic()
            ours = min(seconds(mosaic) for _ in range(5))
            what = f"mosaic of {count:,} kernels, bank to PNG"
            some = seconds(lambda kernels=kernels: subplots(kernels[:SUBPLOTS])) * count / SUBPLOTS
            yield Line(what, f"subplots ({SUBPLOTS} measured, scaled up)", ours / some, 1 / 10_000)
            if count == 4_096:
                whole = seconds(lambda kernels=kernels: subplots(kernels))
                yield Line(what, "subplots, all of them", ours / whole, 1 / 10_000)
            against = ratio(mosaic, lambda kernels=kernels: montaged(kernels), 25)
            yield Line(what, "skimage montage + Pillow", against, 1 / 2)
