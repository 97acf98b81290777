"""Running explorers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from explorer import Explorer, exploring


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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made
