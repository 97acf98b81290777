"""Fixtures shared by all tests: real networks of the zoo, downloaded once and cached."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REQUIRE_ZOO = os.environ.get("FILTERKIT_REQUIRE_ZOO", "") not in ("", "0")
"""Set in CI: a network of the zoo that cannot be fetched fails the test instead of skipping it."""


@pytest.fixture(scope="session")
def zoo_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The ONNX file of a known network, as `filterkit add NAME` would fetch it."""
    from filterkit.errors import SourceError
    from filterkit.sources.zoo import ZooSource

    fetched: dict[str, Path] = {}

    def fetch(name: str) -> Path:
        if name not in fetched:
            workdir = tmp_path_factory.mktemp(name)
            try:
                fetched[name] = ZooSource().fetch(name, workdir, lambda *_: None).onnx_path
            except SourceError as error:
                if REQUIRE_ZOO:
                    raise
                pytest.skip(f"{name} cannot be fetched: {error}")
        return fetched[name]

    return fetch
