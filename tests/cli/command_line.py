"""What tests of the command line share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx_graphs import build, node
from PIL import Image


@dataclass(frozen=True)
class Ran:
    """The result of one command line."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed with ``--format json``."""
        assert self.exit_code == 0, self
        return list(json.loads(self.stdout))

    @property
    def failure(self) -> tuple[int, str, str]:
        """Exit code, error and hint; checks that nothing else was printed."""
        assert self.stdout == "", self
        error, *hint = self.stderr.splitlines()
        assert error.startswith("error: "), self
        assert len(hint) <= 1, self
        assert not hint or hint[0].startswith("hint: "), self
        return self.exit_code, error.removeprefix("error: "), "".join(hint).removeprefix("hint: ")


Run = Callable[..., Ran]


def copy_catalog(catalog: Path, target: Path) -> Path:
    """A catalog with its store, elsewhere."""
    shutil.copyfile(catalog, target)
    shutil.copytree(catalog.with_suffix(".store"), target.with_suffix(".store"))
    return target


def write_photo(path: Path, *, seed: int = 0, size: tuple[int, int] = (32, 48)) -> Path:
    """Write a picture of `size` (height, width): coloured blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).resize(size[::-1], Image.Resampling.NEAREST).save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture file, which is decoded completely."""
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def write_network(path: Path, value: float = 1.0) -> Path:
    """One 3×3 convolution of a colour picture, all of whose weights are `value`."""
    weights = {"w": np.full((2, 3, 3, 3), value, np.float32)}
    onnx.save(build([node("Conv", "x w", "y", "only")], {"x": [1, 3, 16, 16]}, weights), path)
    return path


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
