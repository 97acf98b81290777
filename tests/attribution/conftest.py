"""The small network in a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_folders import shared_folder
from small_cnn import add

import filterkit


def _fill(folder: Path) -> None:
    add(folder).close()


@pytest.fixture
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    """For reading only."""
    with filterkit.open(shared_folder(tmp_path_factory, "small-cnn", _fill) / "catalog.db") as bench:
        yield bench
