"""A headless browser, and pages in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from page import Page, launch

REQUIRE_BROWSER = os.environ.get("FILTERKIT_REQUIRE_BROWSER", "") not in ("", "0")
"""Set in CI: without Chromium, the tests of the page fail instead of being skipped."""


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browser = launch(tmp_path_factory.mktemp("profile"))
    if browser is None:
        if REQUIRE_BROWSER:
            pytest.fail("there is no Chromium with its chromedriver")
        pytest.skip("needs Chromium and its chromedriver")
    with browser:
        yield Page(browser)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two similar models: a colour layer, one with 4,096 kernels, one with a filter of zeros."""
    import filterkit
    import numpy as np
    import onnx
    from filterkit.testing import build_model, node

    folder = tmp_path_factory.mktemp("catalog")
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(size=(64, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(size=(64, 64, 3, 3)).astype(np.float32),
        "w3": random.normal(size=(6, 64, 3, 3)).astype(np.float32),
    }
    weights["w3"][2] = 0
    nodes = [
        node("Conv", "image w1", "a", "first"),
        node("Conv", "a w2", "b", "second"),
        node("Conv", "b w3", "c", "third"),
    ]
    with filterkit.open(folder / "catalog.db") as bench:
        for name in ("net", "like"):
            onnx.save(build_model(nodes, {"image": ["N", 3, "H", "W"]}, weights), folder / f"{name}.onnx")
            bench.add(str(folder / f"{name}.onnx"))
            weights = {key: 2 * values[::-1].copy() for key, values in weights.items()}
    return folder / "catalog.db"
