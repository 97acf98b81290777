"""The atlas in a real browser: the address under the pointer, deep links, keys, and small screens."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
import pytest
from chromium import place, sized, wait
from explorer import Explorer
from PIL import Image

READY = "const root = document.getElementById('atlas'); return root !== null && 'ready' in root.dataset"
VIEW = """
const {left, top, width, height} = document.querySelector("#atlas .view").getBoundingClientRect();
return [left, top, width, height];
"""
UNDER = "return document.querySelector('#atlas .bar a').textContent"
ADDRESSES = "return performance.getEntriesByType('resource').map(entry => entry.name)"
FOCUSED = "document.querySelector('#atlas [role=application]').focus()"
OUTLINE = "return getComputedStyle(document.activeElement).outlineWidth"


@pytest.fixture(scope="module")
def base(browser: Any, vgg16: Explorer) -> str:
    browser.get(vgg16.url)
    return vgg16.url.partition("/?")[0]


def opened(browser: Any, url: str) -> None:
    browser.get("about:blank")  # or a new place would be no new page
    browser.get(url)
    wait(lambda: browser.execute_script(READY))


def plan(vgg16: Explorer, query: str = "") -> Any:
    [tiles] = re.findall(r'data-tiles="([^"]+)"', vgg16.get(f"/atlas/vgg16{query}").text)
    return vgg16.get(f"{tiles}/plan.json").json


def box(layer: Any, slot: int, kernel: int) -> tuple[int, int, int, int]:
    """x, y, width and height of a kernel, computed from the plan."""
    (block_width, block_height), (width, height) = layer["block"], layer["cell"]
    x = layer["x"] + slot % layer["across"] * block_width + kernel % layer["columns"] * width
    y = layer["y"] + slot // layer["across"] * block_height + kernel // layer["columns"] * height
    return x, y, width - layer["gap"], height - layer["gap"]


def point_at(browser: Any, x: float, y: float) -> None:
    """Move the mouse in the view."""
    left, top, *_ = browser.execute_script(VIEW)
    event = {"type": "mouseMoved", "x": left + x, "y": top + y}
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


@pytest.mark.zoo
@pytest.mark.parametrize("query", ["", "?sort=frequency&order=down", "?colour=l2_norm&sort=bias"])
def test_the_address_under_the_pointer_is_exact(browser: Any, base: str, vgg16: Explorer, query: str) -> None:
    """At both edges of kernels, at several scales."""
    sized(browser, 1280)
    layers, rng = plan(vgg16, query)["layers"], np.random.default_rng(0)
    for scale in (2, 16, 40):
        layer = layers[rng.integers(len(layers))]
        slot, kernel = int(rng.integers(layer["filters"])), int(rng.integers(layer["kernels"]))
        x, y, width, height = box(layer, slot, kernel)
        center = x + width / 2, y + height / 2
        opened(browser, f"{base}/atlas/vgg16{query}#{math.log2(scale)},{center[0]},{center[1]}")
        _, _, wide, high = browser.execute_script(VIEW)
        point_at(browser, 0, -50)
        number = layer["order"][slot] if "order" in layer else slot
        address = f"{layer['address']}/{number}/{kernel}"
        wait(lambda: browser.execute_script(UNDER) == address)  # noqa: B023  # of what is in the middle
        for part in (0.1, 0.5, 0.9):  # of the kernel from its upper left corner
            dx, dy = (part - 0.5) * width * scale, (part - 0.5) * height * scale
            point_at(browser, wide / 2 + dx, high / 2 + dy)
            wait(lambda: browser.execute_script(UNDER) == address)  # noqa: B023
        beyond = -width / 2 * scale - scale  # in the gap before it, which belongs to its neighbour
        if kernel % layer["columns"]:
            point_at(browser, wide / 2 + beyond + scale / 4, high / 2)
            before = f"{layer['address']}/{number}/{kernel - 1}"
            wait(lambda: browser.execute_script(UNDER) == before)  # noqa: B023


@pytest.mark.zoo
def test_what_is_seen_is_what_is_there(browser: Any, base: str, vgg16: Explorer) -> None:
    """The pixels of the screen in the middle of a weight have the gray of its shade."""
    sized(browser, 1280)
    layer = plan(vgg16)["layers"][4]
    x, y, width, height = box(layer, 70, 12)
    opened(browser, f"{base}/atlas/vgg16#5,{x + 1.5},{y + 1.5}")
    left, top, wide, high = browser.execute_script(VIEW)
    page = vgg16.get(f"/m/{layer['address']}/70/12?format=json").json[0]
    values = np.clip(np.array(page["values"]) / layer["scale"], -1, 1)
    expected = 128 + np.rint(127 * values)

    def seen() -> bool:
        with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as screen:
            pixels = np.asarray(screen.convert("L")).astype(int)
        rows, columns = (
            int(start + side / 2) + 32 * np.arange(-1, 2) for start, side in ((top, high), (left, wide))
        )
        return bool(np.abs(pixels[np.ix_(rows, columns)] - expected).max() <= 1)

    wait(seen)
    assert (width, height) == (3, 3)


@pytest.mark.zoo
def test_a_click_opens_the_kernel(browser: Any, base: str, vgg16: Explorer) -> None:
    sized(browser, 1280)
    layer = plan(vgg16)["layers"][2]
    x, y, *_ = box(layer, 3, 5)
    opened(browser, f"{base}/atlas/vgg16#4,{x + 1.5},{y + 1.5}")
    left, top, wide, high = browser.execute_script(VIEW)
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        event = {"type": kind, "x": left + wide / 2, "y": top + high / 2, "button": "left", "clickCount": 1}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    wait(lambda: place(browser) == f"/m/{layer['address']}/3/5")
    browser.back()
    wait(lambda: browser.execute_script(READY))
    assert browser.current_url.endswith(f"#4.00,{x + 1.5},{y + 1.5}")


@pytest.mark.zoo
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_keys_alone(browser: Any, base: str, motion: str) -> None:
    """From the place of an address to the kernel beside it, with visible focus, and said aloud."""
    from selenium.webdriver import ActionChains, Keys

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    def after(before: str, number: int, is_more: bool) -> str:
        """The place, once one of its numbers has become larger or smaller."""

        def is_there() -> bool:
            now, then = (float(text.split(",")[number]) for text in (kept(), before))
            return now > then if is_more else now < then

        wait(is_there)
        return kept()

    def kept() -> str:
        place: str = browser.current_url.partition("#")[2]
        return place

    sized(browser, 1280)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": motion}]}
    )
    opened(browser, f"{base}/atlas/vgg16?address=vgg16/block3_conv1/70/12")
    browser.execute_script("document.querySelector('button').focus()")
    for _ in range(9):
        press(Keys.TAB)
        if browser.execute_script("return document.activeElement.getAttribute('role')") == "application":
            break
    assert float(browser.execute_script(OUTLINE).removesuffix("px")) >= 2
    cross = "return getComputedStyle(document.querySelector('#atlas .crosshair')).display"
    assert browser.execute_script(cross) == "block"
    start = browser.execute_script(UNDER)
    assert start == "vgg16/block3_conv1/70/12"
    wait(lambda: kept() != "")
    first = kept()
    press(Keys.ARROW_RIGHT)
    moved = after(first, 1, True)
    assert moved.split(",")[::2] == first.split(",")[::2]
    assert browser.execute_script(UNDER) != start
    spoken = "return document.querySelector('#atlas [aria-live]').textContent"
    wait(lambda: browser.execute_script(spoken) == browser.execute_script(UNDER))
    press("+")
    moved = after(moved, 0, True)
    press("-", "-")
    moved = after(moved, 0, False)
    press(Keys.ARROW_UP)
    moved = after(moved, 2, False)
    press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    moved = after(moved, 2, True)
    press(Keys.ARROW_LEFT)
    after(moved, 1, False)
    address = browser.execute_script(UNDER)
    press(Keys.ENTER)
    wait(lambda: place(browser) == f"/m/{address}")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.zoo
def test_another_colour_shows_the_same_place(browser: Any, base: str) -> None:
    sized(browser, 1280)
    opened(browser, f"{base}/atlas/vgg16#3.00,1000.0,700.0")
    browser.find_element("css selector", "option[value=signs]").click()
    browser.find_element("css selector", "form.fields button").click()
    wait(lambda: "colour=signs" in browser.current_url and browser.execute_script(READY))
    assert browser.current_url.endswith("#3.00,1000.0,700.0")
    field = browser.find_element("css selector", "form.fields [name=address]")
    field.send_keys("vgg16/block1_conv1")
    field.submit()
    wait(lambda: "block1_conv1" in browser.current_url and browser.execute_script(READY))
    wait(lambda: browser.execute_script(UNDER).startswith("vgg16/block1_conv1/"))


@pytest.mark.zoo
def test_buttons_and_the_minimap(browser: Any, base: str) -> None:
    sized(browser, 1280)
    opened(browser, f"{base}/atlas/vgg16")
    assert "#" not in browser.current_url
    browser.find_element("css selector", "#atlas button[aria-label='Zoom in']").click()
    wait(lambda: "#" in browser.current_url)
    browser.find_element("css selector", "#atlas .minimap").click()  # its middle
    browser.find_element("css selector", "#atlas button[aria-label='Show the whole picture']").click()
    wait(lambda: float(browser.current_url.partition("#")[2].split(",")[0]) < -2.9)


@pytest.mark.zoo
def test_it_loads_nothing_from_elsewhere_and_fits(browser: Any, base: str) -> None:
    browser.get_log("browser")
    for width, theme in ((1280, "light"), (390, "dark"), (320, "light")):
        sized(browser, width, theme)
        opened(browser, f"{base}/atlas/vgg16?address=vgg16/block3_conv1/70")
        addresses = browser.execute_script(ADDRESSES)
        assert any("/tiles/" in each for each in addresses)
        assert all(each.startswith(f"{base}/") for each in addresses)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert [each["message"] for each in browser.get_log("browser")] == []  # such as the policy's


@pytest.mark.zoo
def test_without_javascript_the_table_leads_on(browser: Any, base: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{base}/atlas/vgg16?address=vgg16/block3_conv1/70/12")
        assert "The picture needs JavaScript" in browser.find_element("tag name", "noscript").text
        assert "is 3 × 3 pixels at" in browser.find_element("tag name", "main").text
        browser.find_element("link text", "vgg16/block1_conv1").click()
        assert place(browser) == "/m/vgg16/block1_conv1"
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
