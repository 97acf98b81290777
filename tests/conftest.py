"""How the suite runs, and what all tests share: real networks of the zoo, cached, and catalogs of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shared_folders import shared_folder

import filterkit

REQUIRE_ZOO = os.environ.get("FILTERKIT_REQUIRE_ZOO", "") not in ("", "0")
"""Set in CI: a network of the zoo that cannot be fetched fails the test instead of skipping it."""


settings.register_profile(
    "any machine",
    deadline=None,  # a busy machine makes no example wrong
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run folders in parallel on all cores, unless ``-n`` says otherwise; run named files as a whole.

    ``-n auto`` is not in ``addopts``, where it would make one file wait for workers and break
    ``-p no:xdist``. Slow tests of files that are named are run as well.
    """
    options = config.option
    names_files = not all(map(os.path.isdir, config.args))
    if options.markexpr == "not slow" and names_files:
        options.markexpr = ""
    if not config.pluginmanager.hasplugin("xdist") or hasattr(config, "workerinput"):
        return
    if options.numprocesses is None and options.dist == "no" and not names_files:
        options.numprocesses = "auto"
    if options.numprocesses and options.dist == "no":
        options.dist = "worksteal"


@pytest.fixture(scope="session")
def zoo_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The ONNX file of a known network, as `filterkit add NAME` would fetch it; for reading only."""
    from filterkit.errors import SourceError
    from filterkit.sources.zoo import ZooSource

    def fetch(name: str) -> Path:
        def fill(folder: Path) -> None:
            fetched = ZooSource().fetch(name, folder, lambda *_: None).onnx_path
            (folder / "onnx_path").write_text(fetched.relative_to(folder).as_posix(), encoding="utf-8")

        try:
            folder = shared_folder(tmp_path_factory, f"zoo-{name}", fill)
        except SourceError as error:
            if REQUIRE_ZOO:
                raise
            pytest.skip(f"{name} cannot be fetched: {error}")
        return folder / (folder / "onnx_path").read_text(encoding="utf-8")

    return fetch


def _catalog_of(*models: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        with filterkit.open(folder / "catalog.db") as bench:
            for model in models:
                bench.add(model)

    return fill


@pytest.fixture(scope="session")
def vgg16_catalog(zoo_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the real VGG16 and the classic kernels, with its store; for reading only."""
    zoo_model("vgg16")  # skips where it cannot be fetched
    return shared_folder(tmp_path_factory, "vgg16", _catalog_of("vgg16", "classic")) / "catalog.db"


@pytest.fixture(scope="session")
def classic_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the classic kernels, with its store; for reading only."""
    return shared_folder(tmp_path_factory, "classic", _catalog_of("classic")) / "catalog.db"
