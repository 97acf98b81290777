"""Running explorers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
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
