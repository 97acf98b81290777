"""User interaction with a page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1100,900",
)  # fmt: skip
PLACE = """
const plot = document.getElementById("plot"), {xaxis, yaxis} = plot._fullLayout;
const box = plot.getBoundingClientRect();
const [x, y] = arguments;
return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
"""
PIXEL = """
const image = new Image(), [x, y] = arguments, done = arguments[2];
image.onload = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  done([image.width, image.height, ...context.getImageData(x, y, 1, 1).data]);
};
image.src = document.querySelector("#plot image").getAttribute("href");
"""


def launch(profile: Path) -> Chrome | None:
    """A headless Chromium, whose files go to `profile`; None if it is not installed."""
    browsers = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    browser, driver = next(filter(None, browsers), None), shutil.which("chromedriver")
    if not (browser and driver):
        return None
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(driver))


class Page:
    """A page in a browser. Positions are pixels of the sheet's picture: one per value, with gaps of one."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser
        self.browser.set_script_timeout(60)

    def open(self, page: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=".html", delete=False) as file:
            file.write(page)
        self.browser.get_log("browser")  # messages of earlier pages
        self.browser.get(Path(file.name).as_uri())
        self.wait(lambda: self.ask("return document.body.dataset.ready") == "yes")
        Path(file.name).unlink()

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, until: Any) -> None:
        WebDriverWait(self.browser, 60).until(lambda _: until())

    def text(self, element: str) -> str:
        return self.ask("return document.getElementById(arguments[0]).textContent", element)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The position in the window of a pixel of the picture."""
        left, top = self.ask(PLACE, x, y)
        return left, top

    def point(self, x: int, y: int) -> list[str]:
        """Move the mouse to a pixel of the picture; returns the lines of the hover text, if any."""
        left, top = self.place(x, y)
        moves = ActionChains(self.browser, duration=0)
        moves.w3c_actions.pointer_action.move_to_location(round(left), round(top))
        moves.perform()
        shown = "return !document.getElementById('tip').hidden"
        lines = "return Array.from(document.getElementById('tip').children, line => line.textContent)"
        self.rest()  # hover events come with the next frame, at most every 50 ms
        return list(self.ask(lines)) if self.ask(shown) else []

    def sort(self, by: str, *, upwards: bool = False) -> None:
        box = self.browser.find_element(By.ID, "reverse")
        if box.is_selected() != upwards:
            box.click()
        Select(self.browser.find_element(By.ID, "sort")).select_by_visible_text(by)

    def zoom(self, x: int, y: int) -> None:
        left, top = self.place(x, y)
        before = self.ask("return document.getElementById('plot')._fullLayout.xaxis.range")
        origin = ScrollOrigin.from_viewport(round(left), round(top))
        ActionChains(self.browser).scroll_from_origin(origin, 0, -400).perform()
        self.wait(
            lambda: self.ask("return document.getElementById('plot')._fullLayout.xaxis.range") != before
        )

        self.rest()  # plotly reports the new range when the wheel stops

    @contextmanager
    def sized(self, width: int, height: int) -> Iterator[None]:
        """Set the size of pages temporarily."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def reset(self) -> None:
        """Reset the view."""
        self.ask("document.querySelector('[data-title=\"Reset axes\"]').click()")
        self.rest()

    def rest(self) -> None:
        self.ask("return new Promise(done => setTimeout(done, 150))")

    def pixel(self, x: int, y: int) -> tuple[tuple[int, int], tuple[int, int, int]]:
        """Width and height of the picture, and its colour at a position."""
        width, height, *colour = self.browser.execute_async_script(PIXEL, x, y)
        return (width, height), tuple(colour[:3])

    def complaints(self) -> list[Any]:
        return list(self.browser.get_log("browser"))
