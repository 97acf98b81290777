"""Catalogs for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_models import put, write_model

from filterkit.catalog import Catalog


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A path for a new catalog, with characters that need escaping in URIs and SQL."""
    folder = tmp_path / "it's a #1 ?x=%41 folder"
    folder.mkdir()
    return folder / "my cata'log?.db"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with two models, not to be changed: tiny (conv1, conv2) and other (conv1, conv2, conv3)."""
    folder = tmp_path_factory.mktemp("shared")
    with Catalog.open(folder / "catalog.db", write=True) as catalog:
        put(catalog, write_model(folder / "tiny.onnx"))
        put(catalog, write_model(folder / "other.onnx", widths=(1, 70, 2, 3), seed=1), "other")
    return folder / "catalog.db"


@pytest.fixture
def reading(shared: Path) -> Iterator[Catalog]:
    with Catalog.open(shared) as catalog:
        yield catalog


@pytest.fixture
def catalog(location: Path) -> Iterator[Catalog]:
    with Catalog.open(location, write=True) as catalog:
        yield catalog


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.onnx")
