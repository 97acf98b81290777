"""Chromium: how it is started, its sizes and themes, and waiting for a page."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

REQUIRE_BROWSER = os.environ.get("FILTERKIT_REQUIRE_BROWSER", "") not in ("", "0")
"""Set in CI: without Chromium, the tests fail instead of being skipped."""

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,800"),
)


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A browser with an empty profile; skips the test where there is none."""
    browsers = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    found, driver = next(filter(None, browsers), None), shutil.which("chromedriver")
    if not (found and driver):
        if REQUIRE_BROWSER:
            pytest.fail("there is no Chromium with its chromedriver")
        pytest.skip("needs Chromium and its chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as made:
        yield made


def sized(browser: Any, width: int, theme: str = "light", height: int = 800) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def place(browser: Any) -> str:
    return urlsplit(browser.current_url).path


def wait(until: Callable[[], bool]) -> None:
    """Keys do not wait for the page that they open."""
    deadline = time.monotonic() + 30
    while True:
        with suppress(Exception):  # the page is being replaced
            if until():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
