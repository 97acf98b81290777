"""A new catalog, a small one to read, and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from picture_networks import PIXELS
from PIL import Image
from shared_folders import shared_folder
from small_network import write_network

import filterkit


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        yield bench


def _fill(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(write_network(folder / "net.onnx"))
        bench.add("classic")


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the small network and of the classic kernels, for reading."""
    return shared_folder(tmp_path_factory, "small", _fill) / "catalog.db"


@pytest.fixture
def small(small_catalog: Path) -> Iterator[filterkit.Workbench]:
    with filterkit.open(small_catalog) as bench:
        yield bench


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
