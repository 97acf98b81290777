"""Pages that everybody can use: axe-core finds nothing, and nothing depends on width, motion or hue."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from chromium import sized, wait
from explorer import Explorer

import filterkit

AXE = Path(__file__).parent / "axe-core"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
RUN = """
const [standards, done] = arguments;
axe.run(document, {runOnly: {type: "tag", values: standards}, resultTypes: ["violations"]}).then(
  found => done(found.violations.flatMap(each => each.nodes.map(
    node => `${each.id}: ${node.target.join(" ")} (${node.failureSummary.split("\\n")[1]})`))),
  error => done([`axe failed: ${error}`]));
"""
PAGES = (
    *("/", "/m/vgg16", "/m/open-nsfw", "/m/vgg16/block3_conv1", "/m/vgg16/block3_conv1?sort=frequency"),
    *("/m/vgg16/block1_conv1/7", "/m/vgg16/block3_conv1/70", "/m/vgg16/block5_conv3/3"),
    *("/m/vgg16/block3_conv1/70/12", "/m/classic/edge_sobel_x/0", "/m/classic/edge_sobel_x/0/0"),
    *("/m/vgg16/block3_conv1/70?panel=connections", "/filters", "/filters?where=nothing+%3D+1"),
    *("/similar", "/similar?query=vgg16/block3_conv1/70", "/similar?query=vgg16/block3_conv1/70/3"),
    *("/diff", "/diff?a=vgg16&b=vgg16", "/diff?a=vgg16&b=open-nsfw&match=position&by=response"),
    "/diff?a=vgg16/block5_conv1&b=vgg16/block5_conv2&match=position&level=filter",
    *("/sql", "/sql?sql=SELECT+name+FROM+layer", "/m/vgg16/observations/photos", "/m/nothing"),
    *("/m/vgg16/observations/photos?label=class1", "/m/vgg16/observations/photos?image=PICTURE"),
)
OVERFLOWING = """
const wide = document.documentElement.scrollWidth;
const outside = each => each.getBoundingClientRect().right > innerWidth && !each.closest(".scroll");
const all = [...document.querySelectorAll("body *")];
return wide <= innerWidth ? [] : all.filter(outside).map(each => each.outerHTML);
"""


WAITING = """
return [...document.querySelectorAll("section[data-panel]")].filter(
  each => each.hasAttribute("aria-busy") || each.querySelector("a")?.textContent.startsWith("Show: ")).length;
"""
MOVING = """
const moving = [...document.querySelectorAll("*")].filter(
  each => parseFloat(getComputedStyle(each).transitionDuration) > 0);
return moving.length + document.getAnimations().length;
"""


def opened(browser: Any, base: str, catalog: Path, path: str) -> None:
    """A page with all its parts, also those that are loaded when they come near the visible part."""
    if "PICTURE" in path:
        with filterkit.open(catalog) as bench:
            path = path.replace("PICTURE", bench.observed_pictures("vgg16")[0]["sha256"])
    browser.get(base + path)
    wait(lambda: browser.execute_script(WAITING) == 0)


def violations(browser: Any) -> list[str]:
    browser.execute_script((AXE / "axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = browser.execute_async_script(RUN, STANDARDS)
    return found


@pytest.fixture(scope="module")
def base(browser: Any, explored: Explorer) -> str:
    """The address of the explorer, which the browser has opened."""
    browser.set_script_timeout(120)
    browser.get(explored.url)
    return explored.url.partition("/?")[0]


def test_axe_is_the_file_that_was_reviewed() -> None:
    [stated] = re.findall("[0-9a-f]{64}", (AXE / "README.md").read_text(encoding="utf-8"))
    assert hashlib.sha256((AXE / "axe.min.js").read_bytes()).hexdigest() == stated


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(browser: Any, base: str, explored_catalog: Path, path: str) -> None:
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        sized(browser, width, theme, height=8000)
        opened(browser, base, explored_catalog, path)
        assert violations(browser) == [], (width, theme)


@pytest.mark.zoo
def test_axe_would_find_something(browser: Any, base: str) -> None:
    browser.get(base + "/")
    browser.execute_script("document.querySelector('h1').style.color = '#eee'; document.title = ''")
    assert {each.partition(":")[0] for each in violations(browser)} == {"color-contrast", "document-title"}


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_pages_do_not_scroll_sideways_or_move(
    browser: Any, base: str, explored_catalog: Path, path: str
) -> None:
    for width in (320, 390):
        sized(browser, width, height=8000)
        opened(browser, base, explored_catalog, path)
        assert browser.execute_script(MOVING) == 0
        assert browser.execute_script(OVERFLOWING) == []
    sized(browser, 1280)


@pytest.mark.zoo
def test_whether_a_filter_excites_or_inhibits_is_said_in_words(browser: Any, base: str) -> None:
    browser.get(f"{base}/m/vgg16/block3_conv1/70?panel=connections")
    words = {each.text for each in browser.find_elements("css selector", "main td:nth-child(2)")}
    assert words == {"+ excites", "− inhibits"}


@pytest.mark.zoo
def test_an_observation_with_keys_alone(browser: Any, base: str) -> None:
    """A class is chosen, then a picture, then a filter that fires for it."""
    from selenium.webdriver import ActionChains, Keys

    def go_to(test: str) -> None:
        for _ in range(60):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            if browser.execute_script(f"return ({test})(document.activeElement)"):
                return
        raise AssertionError(f"no Tab leads to {test}")

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    sized(browser, 1280)
    browser.get(f"{base}/m/vgg16/observations/photos")
    go_to("e => e.name === 'label'")
    press("class1")
    go_to("e => e.textContent === 'Show'")
    press(Keys.ENTER)
    wait(lambda: "label=class1" in browser.current_url)
    caption = "Filters that respond mostly to class1"
    wait(lambda: caption in browser.find_element("tag name", "main").text)
    browser.get(f"{base}/m/vgg16/observations/photos")
    go_to("e => e.closest('.photos') !== null")
    press(Keys.ENTER)
    wait(lambda: "image=" in browser.current_url)
    wait(lambda: "What fires for it" in browser.find_element("tag name", "main").text)
    go_to("e => e.className === 'address' && e.closest('table') !== null")
    press(Keys.ENTER)
    wait(lambda: browser.find_element("tag name", "h1").text.startswith("Filter "))
