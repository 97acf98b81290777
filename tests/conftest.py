"""Fixtures shared by all tests: real networks of the zoo, fetched once and cached, and catalogs of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import filterkit

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


@pytest.fixture(scope="session")
def vgg16_catalog(zoo_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the real VGG16 and the classic kernels, with its store; for reading only."""
    zoo_model("vgg16")  # skips where it cannot be fetched
    catalog = tmp_path_factory.mktemp("vgg16-catalog") / "catalog.db"
    with filterkit.open(catalog) as bench:
        bench.add("vgg16")
        bench.add("classic")
    return catalog


@pytest.fixture(scope="session")
def classic_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the classic kernels, with its store; for reading only."""
    catalog = tmp_path_factory.mktemp("classic-catalog") / "catalog.db"
    with filterkit.open(catalog) as bench:
        bench.add("classic")
    return catalog
