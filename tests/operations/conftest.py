"""A new catalog and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from picture_networks import PIXELS
from PIL import Image

import filterkit


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        yield bench


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
