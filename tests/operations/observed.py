"""Folders of pictures to observe, and what an observation has in the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import filterkit


def picture(seed: int, height: int = 24, width: int = 32) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def write_pictures(folder: Path, count: int = 12, classes: int = 2, start: int = 0) -> Path:
    """Pictures of different content, and of two sizes, in one folder per class."""
    for number in range(start, start + count):
        place = folder / f"class{number % classes}"
        place.mkdir(parents=True, exist_ok=True)
        picture(number, 24, 32 if number % 3 else 40).save(place / f"p{number}.png")
    return folder


def contents(bench: filterkit.Workbench) -> dict[str, list[dict[str, Any]]]:
    """The rows of all observations but times, as values that can be compared."""
    queries = {
        "observation": "SELECT id, name, options, pictures, pictures_sha256, copies FROM observation",
        "image": "SELECT * FROM image",
        "response": "SELECT * FROM response",
        "exemplar": "SELECT * FROM exemplar",
    }
    return {name: list(bench.query(query)) for name, query in queries.items()}
