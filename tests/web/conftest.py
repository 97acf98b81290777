"""Running explorers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from explorer import Explorer, exploring
from observed import write_pictures
from shared_folders import shared_folder

import filterkit


@pytest.fixture(scope="session")
def classic(classic_catalog: Path) -> Iterator[Explorer]:
    """The explorer on the classic kernels."""
    with exploring(classic_catalog) as explorer:
        yield explorer


@pytest.fixture(scope="session")
def vgg16(vgg16_catalog: Path) -> Iterator[Explorer]:
    """The explorer on VGG16 and the classic kernels."""
    with exploring(vgg16_catalog) as explorer:
        yield explorer


@pytest.fixture(scope="session")
def explored_catalog(
    vgg16_catalog: Path, zoo_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """VGG16, open-nsfw and the classic kernels, the networks observed over pictures of two classes."""
    zoo_model("open-nsfw")  # skips where it cannot be fetched

    def fill(folder: Path) -> None:
        shutil.copytree(vgg16_catalog.parent, folder, dirs_exist_ok=True)
        photos = write_pictures(folder / "photos", count=8)
        with filterkit.open(folder / "catalog.db") as bench:
            bench.add("open-nsfw")
            bench.observe("vgg16", photos, name="photos", size=64)
            bench.observe("open-nsfw", photos, name="photos")

    return shared_folder(tmp_path_factory, "explored", fill) / "catalog.db"


@pytest.fixture(scope="session")
def explored(explored_catalog: Path) -> Iterator[Explorer]:
    """The explorer on two observed networks and the classic kernels."""
    with exploring(explored_catalog) as explorer:
        yield explorer


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made
