"""A catalog of tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest
from filterkit.testing import tiny_catalog


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For reading only."""
    return tiny_catalog(tmp_path_factory.mktemp("catalog"))
