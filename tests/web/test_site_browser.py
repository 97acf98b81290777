"""Exported pages in Chromium: from the disk and from a subfolder of a web server, with nothing missing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chromium import sized, wait
from exported import export, targets

import filterkit

FAILED = """
const images = [...document.images];
images.forEach(image => image.loading = "eager");
return images.filter(image => image.complete && !image.naturalWidth).map(image => image.src);
"""
LOADED = "return [...document.images].every(image => image.complete)"
STYLED = "return getComputedStyle(document.querySelector('.skip')).position"
WIDTH = "return document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def site(vgg16_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few filters of VGG16 with all kernels of one."""
    folder = tmp_path_factory.mktemp("web") / "a folder" / "site"
    export(vgg16_catalog, folder, "vgg16/block1_conv1/0:3", "vgg16/block2_conv1/7/0:2", depth=3)
    return folder


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The parent of the folder on a web server of Python."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(site.parents[1]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/a%20folder/site"
        server.shutdown()


@pytest.mark.zoo
@pytest.mark.parametrize("place", ["file", "http"])
def test_every_page_opens_without_a_complaint(
    browser: Any, site: Path, request: pytest.FixtureRequest, place: str
) -> None:
    base = site.as_uri() if place == "file" else request.getfixturevalue("served")
    browser.get(f"{base}/index.html")
    browser.get_log("browser")
    todo, seen = [site / "index.html"], {site / "index.html"}
    for page in todo:
        sized(browser, 390 if len(seen) % 2 else 1280, "dark" if len(seen) % 2 else "light")
        browser.get(f"{base}/{page.relative_to(site).as_posix()}")
        assert browser.execute_script(FAILED) == []
        wait(lambda: browser.execute_script(LOADED))
        assert browser.execute_script(FAILED) == []
        assert browser.execute_script(STYLED) == "absolute"
        assert browser.execute_script(WIDTH) <= (390 if len(seen) % 2 else 1280)
        assert [each["message"] for each in browser.get_log("browser")] == [], page
        new = {each for each in targets(page) if each.suffix == ".html"} - seen
        todo += sorted(new)
        seen |= new
    assert len(todo) == len([*site.rglob("*.html")])


@pytest.mark.zoo
def test_a_visit_with_clicks(browser: Any, site: Path) -> None:
    sized(browser, 1280)
    browser.get((site / "index.html").as_uri())
    browser.find_element("link text", "vgg16").click()
    browser.find_element("link text", "block2_conv1").click()
    assert browser.find_element("tag name", "h1").text == "block2_conv1"
    assert browser.find_elements("css selector", "form, input, select") == []
    assert "run filterkit filters" in browser.find_element("tag name", "main").text
    browser.find_element("css selector", '.grid a[href$="block2_conv1/7.html"]').click()
    assert browser.find_element("tag name", "h1").text == "Filter 7 of block2_conv1"
    browser.find_element("css selector", 'svg.kernels a[href="7/1.html"]').click()
    assert browser.find_element("tag name", "h1").text == "Kernel 1 of filter 7"


@pytest.mark.zoo
def test_commands_are_copied_from_the_disk(browser: Any, site: Path) -> None:
    page = site / "m" / "vgg16" / "block1_conv1" / "0.html"
    browser.get(page.as_uri())
    button = browser.find_element("css selector", "pre.copy + button")
    button.click()
    wait(lambda: button.text in ("Copied", "Selected"))
    assert filterkit.__version__ not in button.text
    assert "--catalog" not in browser.find_element("css selector", "pre.copy").text


@pytest.mark.zoo
@pytest.mark.parametrize("place", ["file", "http"])
def test_the_atlas(browser: Any, site: Path, request: pytest.FixtureRequest, place: str) -> None:
    """Its tiles to the depth that was exported, at any zoom, and the page of what is under the pointer."""
    base = site.as_uri() if place == "file" else request.getfixturevalue("served")
    sized(browser, 1280)
    browser.get_log("browser")
    browser.get(f"{base}/atlas/vgg16.html")
    wait(lambda: browser.execute_script("return 'ready' in document.getElementById('atlas').dataset"))
    assert "needs JavaScript" not in browser.find_element("tag name", "main").text
    canvas = browser.find_element("css selector", "#atlas [role=application]")
    for _ in range(12):
        canvas.send_keys("+")
    address = browser.find_element("css selector", "#atlas .bar .address")
    wait(lambda: address.text.startswith("vgg16/"))
    assert {each["message"] for each in browser.get_log("browser")} == set()
    levels = {each.name for each in next(site.glob("tiles/vgg16/*/*")).iterdir()}
    assert levels == {"0", "1", "2"}
    browser.get(f"{base}/atlas/vgg16,address,vgg16~2fblock1_conv1.html")
    wait(lambda: browser.find_element("css selector", "#atlas .bar .address").text.startswith("vgg16/"))
    browser.find_element("css selector", "#atlas [role=application]").send_keys("\n")
    wait(lambda: browser.find_element("tag name", "h1").text in ("block1_conv1", "Filter 0 of block1_conv1"))
    assert [each["message"] for each in browser.get_log("browser")] == []
