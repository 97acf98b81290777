"""Pages that everybody can use: axe-core finds nothing, and nothing depends on width, motion or hue."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from chromium import sized
from explorer import Explorer

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
    *("/m/vgg16/block1_conv1/7", "/m/vgg16/block3_conv1/70", "/m/vgg16/block3_conv1/70/12"),
    *("/m/classic/edge_sobel_x/0/0", "/filters", "/filters?where=nothing+%3D+1", "/similar"),
    *(
        "/similar?query=vgg16/block3_conv1/70",
        "/diff",
        "/diff?a=vgg16/block5_conv1&b=vgg16/block5_conv2&match=position",
    ),
    *("/diff?a=vgg16/block5_conv1&b=vgg16/block5_conv2&match=position&level=filter",),
    *("/sql", "/sql?sql=SELECT+name+FROM+layer", "/m/vgg16/observations/photos", "/m/nothing"),
)
OVERFLOWING = """
const wide = document.documentElement.scrollWidth;
const outside = each => each.getBoundingClientRect().right > innerWidth && !each.closest(".scroll");
const all = [...document.querySelectorAll("body *")];
return wide <= innerWidth ? [] : all.filter(outside).map(each => each.outerHTML);
"""


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
def test_axe_finds_nothing(browser: Any, base: str, path: str) -> None:
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        sized(browser, width, theme)
        browser.get(base + path)
        assert violations(browser) == [], (width, theme)


@pytest.mark.zoo
def test_axe_would_find_something(browser: Any, base: str) -> None:
    browser.get(base + "/")
    browser.execute_script("document.querySelector('h1').style.color = '#eee'; document.title = ''")
    assert {each.partition(":")[0] for each in violations(browser)} == {"color-contrast", "document-title"}


@pytest.mark.zoo
@pytest.mark.parametrize("path", PAGES)
def test_pages_do_not_scroll_sideways(browser: Any, base: str, path: str) -> None:
    for width in (320, 390):
        sized(browser, width)
        browser.get(base + path)
        assert browser.execute_script(OVERFLOWING) == []
    sized(browser, 1280)
