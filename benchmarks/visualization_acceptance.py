"""How many live filters of VGG16 respond more to their picture than to the best of 1,000 crops of photos.

``python benchmarks/visualization_acceptance.py [CATALOG] [--filters 4] [--size 96] [--steps 96]`` takes the
first filters of each layer; with ``--filters 512`` all of them, which takes days on two cores. Crops have the
size of the pictures, are at random places (seed 0) in the colour pictures of scikit-image's data, and are
ranked by the same number, the mean of the filter's map after the activation. A filter is live if it responds
to a crop.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from skimage import data, transform

import filterkit

PHOTOS = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "cat",
    "hubble_deep_field",
    "retina",
    "immunohistochemistry",
)
CROPS = 1000
SCALES = (0.25, 1.0)
"""Photos are reduced at random, so that crops show details as well as whole scenes."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("catalog", nargs="?", type=Path)
    parser.add_argument("--filters", type=int, default=4)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=96)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = stack.enter_context(filterkit.open(asked.catalog or folder / "catalog.db"))
        if asked.catalog is None:
            bench.add("vgg16")
        best = _best_of_crops(bench, asked.size, asked.filters)
        total = above = dead = 0
        for row in bench.layers("vgg16"):
            name = row["address"].rpartition("/")[2]
            found = bench.visualize(
                f"{row['address']}/0:{asked.filters}", size=asked.size, steps=asked.steps, provider="cpu"
            )
            ours, theirs = np.array(found.best), best[name]
            live = theirs > 0
            more = int((ours > theirs)[live].sum())
            ratio = np.median(ours[live] / theirs[live]) if live.any() else np.nan
            print(f"{name}: {more} of {live.sum()} live filters, median ratio {ratio:.1f}", flush=True)
            total, above, dead = total + int(live.sum()), above + more, dead + int((~live).sum())
        print(
            f"{above} of {total} live filters ({above / total:.1%}) among the first {asked.filters} of each "
            f"layer respond more to their picture ({asked.size} px, {asked.steps} steps) than to the best of "
            f"{CROPS:,} crops; {dead} more respond to no crop"
        )


def crops(size: int) -> Iterator[np.ndarray]:
    """Crops of photos, shape (size, size, 3)."""
    rng = np.random.default_rng(0)
    photos = [getattr(data, name)() for name in _available()]
    for _ in range(CROPS):
        photo = photos[rng.integers(len(photos))][..., :3]
        least = size / min(photo.shape[:2])
        scale = float(np.exp(rng.uniform(*np.log(np.clip(SCALES, least, None)))))
        side = round(size / scale)
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        part = photo[top : top + side, left : left + side]
        resized = transform.resize(part, (size, size), anti_aliasing=True, preserve_range=True)
        yield np.rint(resized).astype(np.uint8)


def _available() -> list[str]:
    """The photos that scikit-image has or can download."""
    found = []
    for name in PHOTOS:
        try:
            getattr(data, name)()
        except Exception as error:
            print(f"without {name}: {type(error).__name__}")
        else:
            found.append(name)
    return found


def _best_of_crops(bench: filterkit.Workbench, size: int, filters: int) -> dict[str, np.ndarray]:
    """The largest mean response of the first filters of each layer."""
    best: dict[str, np.ndarray] = {}
    for maps in bench.iter_feature_maps(f"vgg16/*/0:{filters}", crops(size), size=size, provider="cpu"):
        for name, values in maps.maps.items():
            means = values.mean(axis=(1, 2), dtype=float)
            best[name] = np.maximum(best.get(name, 0), means)
    return best


if __name__ == "__main__":
    main()
