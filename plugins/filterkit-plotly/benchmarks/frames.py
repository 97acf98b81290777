"""How smoothly the page of 4,096 kernels is drawn during interaction: the time between frames.

Run ``python benchmarks/frames.py``; it needs Chromium with its chromedriver, and the test dependencies.
A display shows a frame every 16.7 ms; a gap of twice that is one missed frame.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import filterkit
import numpy as np
import onnx
from filterkit.testing import build_model, node
from selenium.webdriver.common.action_chains import ActionChains

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from page import Page, launch

COUNT_FRAMES = """
window.gaps = [];
let last = performance.now();
requestAnimationFrame(function frame(now) {
  gaps.push(now - last);
  last = now;
  requestAnimationFrame(frame);
});
"""


def rendered(folder: Path) -> bytes:
    """The page of a layer of 64 filters of 64 kernels, with all metrics of a catalog."""
    weights = np.random.default_rng(0).normal(size=(64, 64, 3, 3)).astype(np.float32)
    model = build_model(
        [node("Conv", "image w", "y", "conv")], {"image": ["N", 64, "H", "W"]}, {"w": weights}
    )
    onnx.save(model, folder / "net.onnx")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "net.onnx")
        return bench.render(bench.sheet("net/conv"), "interactive")


def hover(page: Page) -> None:
    """Move from kernel to kernel, across the picture and back."""
    moves = ActionChains(page.browser, duration=8)
    moves.move_to_element(page.browser.find_element("id", "plot"))
    for step in range(120):
        moves.move_by_offset(3 if step // 30 % 2 else -3, 2 if step % 2 else -2)
    moves.perform()


def drag(page: Page) -> None:
    moves = ActionChains(page.browser, duration=8)
    moves.move_to_element(page.browser.find_element("id", "plot")).click_and_hold()
    for _ in range(60):
        moves.move_by_offset(3, 2)
    moves.release().perform()


def sort(page: Page) -> None:
    for by in ("norm", "orientation_strength", "largest", "place"):
        page.sort(by)
        page.rest()


def group(page: Page) -> None:
    page.reset()
    for by in ("classic_kernel", "dead", "classic_type", "place", "classic_kernel"):
        page.sort(by)
        page.rest()


def zoom(page: Page) -> None:
    for _ in range(5):
        page.zoom(130, 130)


def gaps(page: Page, use: Callable[[Page], None]) -> np.ndarray:
    page.ask("gaps.length = 0")
    use(page)
    page.rest()
    return np.array(page.ask("return gaps"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        browser = launch(Path(folder, "profile"))
        if browser is None:
            sys.exit("needs Chromium and its chromedriver")
        html = rendered(Path(folder))
        with browser:
            page = Page(browser)
            start = time.perf_counter()
            page.open(html)
            print(f"opened {len(html) / 1e6:.1f} MB in {time.perf_counter() - start:.1f} s")
            page.ask(COUNT_FRAMES)
            for name, use in (
                ("hover", hover),
                ("zoom", zoom),
                ("hover, zoomed", hover),
                ("drag, zoomed", drag),
                ("sort", sort),
                ("group", group),
                ("hover, grouped", hover),
                ("zoom, grouped", zoom),
            ):
                found = gaps(page, use)
                print(
                    f"{name:<14} {len(found):>4} frames, gaps in ms: median {np.median(found):.1f}, "
                    f"95th percentile {np.quantile(found, 0.95):.1f}, longest {found.max():.1f}"
                )


if __name__ == "__main__":
    main()
