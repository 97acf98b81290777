"""Somebody who never saw filterkit finds an edge filter, what it fires for, and its twin elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from chromium import place, sized, wait
from explorer import Explorer

import filterkit

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
FILTER = r"/m/vgg16/block2_conv\d/\d+"
OUTLINED = """
const style = getComputedStyle(document.activeElement);
return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
"""
LOADED = """
const image = document.querySelector("img.exemplars");
return image !== null && image.complete && image.naturalWidth > 0;
"""


@pytest.fixture
def pages(browser: Any, explored: Explorer) -> Any:
    """A browser that has opened the printed address."""
    sized(browser, 1280)
    browser.get(explored.url)
    return browser


@pytest.fixture(scope="module")
def answers(explored_catalog: Path) -> tuple[str, str]:
    """The pages of the filter and of its twin, as Python finds them."""
    with filterkit.open(explored_catalog) as bench:
        kernel = bench.similar(SOBEL, "vgg16/block2_*", invariant="scale,sign,flip,rotate", limit=1)[0]
        found = kernel["address"].rpartition("/")[0]
        twin = bench.similar(found, "open-nsfw", limit=1)[0]["address"]
    return f"/m/{found}", f"/m/{twin}"


def twins(browser: Any) -> bool:
    return "The twin in each other network" in browser.find_element("tag name", "main").text


def heading(browser: Any) -> str:
    text: str = browser.find_element("tag name", "h1").text
    return text


@pytest.mark.zoo
def test_with_clicks(pages: Any, answers: tuple[str, str]) -> None:
    for label, chosen in (("query", "Sobel, edges"), ("among", "vgg16 block2")):
        field = pages.find_element("css selector", f"main select[name={label}]")
        [option] = [each for each in field.find_elements("tag name", "option") if each.text == chosen]
        option.click()
    pages.find_element("xpath", "//main//button[text()='Find']").click()
    wait(lambda: heading(pages) == "Similar kernels and filters")
    rows = pages.find_elements("css selector", "main tbody tr")
    rows[0].find_elements("css selector", "a")[-1].click()
    wait(lambda: place(pages) == answers[0])
    pages.find_element("link text", "What it responds to").click()
    wait(lambda: pages.execute_script(LOADED))
    assert "highest responses" in pages.find_element("css selector", "figure .exemplars + figcaption").text
    pages.find_element("link text", "Similar in all networks").click()
    wait(lambda: twins(pages))
    table = pages.find_elements("css selector", "[aria-labelledby=panel-relatives] table")[0]
    table.find_element("partial link text", "open-nsfw/").click()
    wait(lambda: place(pages) == answers[1])
    wait(lambda: pages.execute_script(LOADED))


@pytest.mark.zoo
def test_with_keys(pages: Any, answers: tuple[str, str]) -> None:
    from selenium.webdriver import ActionChains, Keys

    def press(*keys: str) -> None:
        ActionChains(pages).send_keys(*keys).perform()

    def go_to(test: str, most: int = 60) -> None:
        for _ in range(most):
            press(Keys.TAB)
            assert pages.execute_script(OUTLINED), pages.execute_script(
                "return document.activeElement.outerHTML"
            )
            if pages.execute_script(f"return ({test})(document.activeElement)"):
                return
        raise AssertionError(f"no Tab leads to {test}")

    go_to("e => e.name === 'query'")
    press("Sobel")
    go_to("e => e.name === 'among'")
    press("vgg16 block2")
    go_to("e => e.textContent === 'Find'")
    press(Keys.ENTER)
    wait(lambda: heading(pages) == "Similar kernels and filters")
    go_to(f"e => /^{FILTER.replace('/', chr(92) + '/')}$/.test(new URL(e.href || 'x:').pathname)")
    press(Keys.ENTER)
    wait(lambda: re.fullmatch(FILTER, place(pages)) is not None)
    assert place(pages) == answers[0]
    go_to("e => e.textContent === 'What it responds to'")
    press(Keys.ENTER)
    wait(lambda: pages.execute_script(LOADED))
    pages.refresh()  # as with F5: Tab begins at the top again
    go_to("e => e.textContent === 'Similar in all networks'")
    press(Keys.ENTER)
    wait(lambda: twins(pages))
    go_to("e => e.textContent.startsWith('open-nsfw/')")
    press(Keys.ENTER)
    wait(lambda: place(pages).startswith("/m/open-nsfw/"))


@pytest.mark.zoo
def test_without_javascript(pages: Any, answers: tuple[str, str]) -> None:
    """Parts that are loaded after the page are links to pages of their own."""
    base = pages.current_url.rstrip("/")
    pages.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        pages.get(base + answers[0])
        pages.find_element("link text", "Show: Similar in all networks").click()
        table = pages.find_elements("css selector", "main table")[0]
        table.find_element("partial link text", "open-nsfw/").click()
        assert place(pages) == answers[1]
    finally:
        pages.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
