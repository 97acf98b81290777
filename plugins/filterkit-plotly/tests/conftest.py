"""A browser without a window, and pages in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from page import Page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

REQUIRE_BROWSER = os.environ.get("FILTERKIT_REQUIRE_BROWSER", "") not in ("", "0")
"""Set in CI: without Chromium the tests of the page fail instead of being skipped."""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1100,900",
)  # fmt: skip


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    browsers = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    browser, driver = next(filter(None, browsers), None), shutil.which("chromedriver")
    if not (browser and driver):
        if REQUIRE_BROWSER:
            pytest.fail("there is no Chromium with its chromedriver")
        pytest.skip("needs Chromium and its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as opened:
        yield Page(opened)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of two alike models: a layer of colour, one of 4,096 kernels, one with a filter of zeros."""
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
