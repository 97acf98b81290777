"""The explorer in a real browser: with the mouse, with keys, on small screens, without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from chromium import place, sized, wait
from explorer import Explorer

PAGES = (
    *("/", "/m/vgg16", "/m/vgg16/block1_conv1?sort=l2_norm", "/m/vgg16/block2_conv1/7"),
    *("/m/vgg16/block2_conv1/7/3", "/filters", "/similar?query=classic/edge_sobel_x/0/0", "/diff", "/sql"),
    *("/sql?sql=x", "/m/nothing"),
)
LOADED = """
const images = [...document.images].filter(image => image.loading !== "lazy");
return images.every(image => image.complete && image.naturalWidth > 0);
"""
ADDRESSES = "return performance.getEntriesByType('resource').map(entry => entry.name)"
WIDTH = "return document.documentElement.scrollWidth"
UNNAMED = """
const named = element => element.textContent.trim() || element.getAttribute("aria-label") || element.title
  || element.querySelector("img:not([alt=''])");
const fields = [...document.querySelectorAll("input, select, textarea")].filter(each => !each.labels.length);
const others = [...document.querySelectorAll("a, button, summary, [role=region]")];
const images = [...document.images].filter(each => !each.hasAttribute("alt"));
return [...fields, ...others.filter(each => !named(each)), ...images].map(element => element.outerHTML);
"""
OUTLINED = """
const style = getComputedStyle(document.activeElement);
return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
"""


@pytest.fixture
def pages(browser: Any, vgg16: Explorer) -> Any:
    """A browser that has opened the printed address."""
    browser.get(vgg16.url)
    browser.get_log("browser")
    return browser


@pytest.mark.zoo
def test_the_token_leaves_the_address_bar(pages: Any) -> None:
    assert place(pages) == "/"
    assert "token" not in pages.current_url
    assert pages.execute_script("return document.cookie") == ""  # which scripts cannot read


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_and_load_nothing_from_elsewhere(pages: Any, vgg16: Explorer, path: str) -> None:
    base = vgg16.url.partition("/?")[0]
    backgrounds = set()
    for width, theme in ((1280, "light"), (390, "dark"), (320, "light")):
        sized(pages, width, theme)
        pages.get(base + path)
        assert pages.execute_script(WIDTH) <= width
        backgrounds.add(
            pages.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
        )
        assert pages.execute_script(UNNAMED) == []
        assert all(each.startswith(f"{base}/") for each in pages.execute_script(ADDRESSES))
        complaints = [each["message"] for each in pages.get_log("browser")]
        assert all("server responded with a status of 40" in each for each in complaints), complaints
    assert len(backgrounds) == 2
    assert pages.execute_script(LOADED)
    sized(pages, 1280)


@pytest.mark.zoo
def test_from_the_first_page_to_a_kernel_with_clicks(pages: Any) -> None:
    sized(pages, 1280)
    for link in ("vgg16", "block2_conv1"):
        pages.find_element("link text", link).click()
    assert place(pages) == "/m/vgg16/block2_conv1"
    pages.find_element("css selector", '.grid a[href="/m/vgg16/block2_conv1/7"]').click()
    assert pages.find_element("tag name", "h1").text == "Filter 7 of block2_conv1"
    pages.find_element("css selector", 'svg.kernels a[href="7/12"]').click()
    assert place(pages) == "/m/vgg16/block2_conv1/7/12"
    pages.find_element("partial link text", "13 →").click()
    assert place(pages) == "/m/vgg16/block2_conv1/7/13"


@pytest.mark.zoo
def test_a_filter_with_keys_alone(pages: Any) -> None:
    """From the first page to the edges of a layer: Tab, letters and Enter, with visible focus."""
    from selenium.webdriver import ActionChains, Keys

    def press(*keys: str) -> None:
        ActionChains(pages).send_keys(*keys).perform()

    def go_to(test: str) -> None:
        for _ in range(60):
            press(Keys.TAB)
            assert pages.execute_script(OUTLINED)
            if pages.execute_script(f"return ({test})(document.activeElement)"):
                return
        raise AssertionError(f"no Tab leads to {test}")

    go_to("e => e.textContent === 'Skip to content'")
    press(Keys.ENTER)
    go_to("e => e.textContent === 'vgg16'")
    press(Keys.ENTER)
    wait(lambda: pages.find_element("tag name", "h1").text == "vgg16")
    go_to("e => e.name === 'address'")
    press("vgg16/block1_conv1", Keys.ENTER)
    wait(lambda: pages.find_element("tag name", "h1").text == "block1_conv1")
    go_to("e => e.name === 'where'")
    press("classic_type = 'edge'", Keys.ENTER)
    wait(lambda: "12 filters of 64" in pages.find_element("tag name", "main").text)
    go_to("e => e.closest('.grid') !== null")
    press(Keys.ENTER)
    wait(lambda: place(pages).startswith("/m/vgg16/block1_conv1/"))


@pytest.mark.zoo
def test_commands_are_copied(pages: Any, vgg16: Explorer) -> None:
    base = vgg16.url.partition("/?")[0]
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    pages.execute_cdp_cmd("Browser.grantPermissions", {"origin": base, "permissions": permissions})
    pages.get(f"{base}/m/vgg16/block1_conv1/7")
    button = pages.find_element("css selector", "pre.copy + button")
    button.click()
    wait(lambda: button.text == "Copied")
    pages.set_script_timeout(20)
    copied = pages.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied.startswith("filterkit show vgg16/block1_conv1/7 -o filter.png --catalog ")
    assert copied == pages.find_element("css selector", "pre.copy").text


@pytest.mark.zoo
def test_heavy_panels_are_loaded_when_they_come_into_view(pages: Any, vgg16: Explorer) -> None:
    sized(pages, 1280)
    base, path = vgg16.url.partition("/?")[0], "/m/vgg16/block2_conv2/7"
    heavy = "section[data-panel*='panel=expanded']"
    pages.execute_cdp_cmd("Network.enable", {})
    pages.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*fragment=1*"]})
    pages.get(base + path)
    wait(lambda: "could not be loaded" in pages.find_element("css selector", heavy).text)
    pages.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    pages.get(base + path)
    shown = (
        f'const found = document.querySelector("{heavy} img"); return found?.complete && found.naturalWidth'
    )
    pages.execute_script(f'document.querySelector("{heavy}").scrollIntoView()')
    wait(lambda: pages.execute_script(shown) == 42)  # 14 pixels, three times as large
    assert pages.execute_script(UNNAMED) == []
    pages.get_log("browser")


@pytest.mark.zoo
def test_without_javascript(pages: Any, vgg16: Explorer) -> None:
    pages.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        pages.get(vgg16.url.partition("/?")[0] + "/similar")
        pages.find_element("partial link text", "Sobel").click()
        first = pages.find_element("css selector", "td a.address")
        assert first.text == "classic/edge_sobel_x/0/0"
        first.click()
        assert pages.find_elements("css selector", "pre.copy + button") == []
        assert "Kernel 0 of filter 0" in pages.find_element("tag name", "h1").text
        pages.get(vgg16.url.partition("/?")[0] + "/m/vgg16/block2_conv2/7")
        pages.find_element("link text", "Show: Expanded weights").click()
        assert pages.find_element("tag name", "h1").text == "Expanded weights"
        assert pages.find_element("tag name", "figcaption").text == "14×14 pixels"
    finally:
        pages.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
