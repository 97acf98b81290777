"""Draw visualizations by filterkit above those by the same optimization in torch.

``python benchmarks/visualization_in_torch.py OUTPUT [CATALOG]`` draws the picture of docs/visualize.md.
Random numbers differ, so pictures are not equal, but they should show the same.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from visualize import torch_visualization

import filterkit

FILTERS = {"block2_conv2": (0, 5), "block3_conv3": (1, 5), "block4_conv3": (3, 8)}
SIZE, STEPS, TILE = 64, 64, 128
GAP, LEFT, TOP = 4, 56, 16


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("catalog", nargs="?", type=Path)
    asked = parser.parse_args()
    ours, theirs, names = [], [], []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = stack.enter_context(filterkit.open(asked.catalog or folder / "catalog.db"))
        if asked.catalog is None:
            bench.add("vgg16")
        for layer, filters in FILTERS.items():
            address = f"vgg16/{layer}/{','.join(map(str, filters))}"
            found = bench.visualize(address, size=SIZE, steps=STEPS, provider="cpu")
            ours += [*found.array.transpose(0, 2, 3, 1)]
            theirs += [*torch_visualization(bench, layer)(filters, SIZE, STEPS)]
            names += [f"{layer}/{number}" for number in filters]
    drawn({"filterkit": ours, "torch": theirs}, names).save(asked.output, quality=88)


def drawn(rows: dict[str, list[np.ndarray]], names: list[str]) -> Image.Image:
    """Pictures, shape (H, W, 3), between 0 and 1, in rows, with the names of rows and columns."""
    step = TILE + GAP
    size = LEFT + step * len(names), TOP + step * len(rows)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((LEFT + column * step, 2), name, fill="black")
    for row, (name, pictures) in enumerate(rows.items()):
        draw.text((4, TOP + row * step + TILE // 2 - 6), name, fill="black")
        for column, picture in enumerate(pictures):
            tile = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
            sheet.paste(
                tile.resize((TILE, TILE), Image.Resampling.BICUBIC), (LEFT + column * step, TOP + row * step)
            )
    return sheet


if __name__ == "__main__":
    main()
