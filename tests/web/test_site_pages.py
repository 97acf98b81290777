"""Single pages of an export, from the application, and how little they need of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from exported import REGISTRY

import filterkit
from filterkit.errors import UsageError
from filterkit.web import site_pages
from filterkit.web.pages import Page
from filterkit.web.site_pages import SitePages
from filterkit.web.site_scope import selected


@pytest.fixture
def site(classic_catalog: Path) -> Iterator[SitePages]:
    with filterkit.open(classic_catalog) as bench:
        scope = selected(bench, ["classic/edge_sobel_x"], kernels=False, depth=0)
    with SitePages(classic_catalog, REGISTRY, scope) as made:
        yield made


def test_a_page_and_what_it_loads(site: SitePages) -> None:
    made = site.make("/m/classic/edge_sobel_x/0")
    kinds = sorted({Path(name).suffix for name in made.files})
    assert kinds == [".css", ".csv", ".html", ".js", ".json", ".png", ".svg"]
    assert made.links[:3] == ["/", "/", "/m/classic"]
    assert not any(link.startswith(("/similar", "/filters")) for link in made.links)


def test_what_is_written_is_not_made_again(classic_catalog: Path) -> None:
    with filterkit.open(classic_catalog) as bench:
        scope = selected(bench, ["classic/edge_sobel_x"], kernels=False, depth=0)
    with SitePages(classic_catalog, REGISTRY, scope, has=lambda name: True) as site:
        assert [*site.make("/m/classic").files] == ["m/classic.html"]


def test_a_page_of_later_versions(classic_catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page below a model that this module knows nothing of, and its link, are treated as all others."""

    def report(bench: object, request: object) -> Page:
        return Page("error.html", (), (), {"title": "Report"}, UsageError("x"))

    route = ("/m/{model}/reports/{name}/today", report, "quick")
    monkeypatch.setattr(site_pages, "PAGES", (*site_pages.PAGES, route))
    with filterkit.open(classic_catalog) as bench:
        scope = selected(bench, ["classic/edge_sobel_x"], kernels=False, depth=0)
    assert scope.includes("/m/classic", "/m/classic/reports/all/today")
    with SitePages(classic_catalog, REGISTRY, scope) as site:
        text = site.make("/m/classic/reports/all/today").files["m/classic/reports/all/today.html"].decode()
    assert "<h1>Report</h1>" in text and "../../../../static/style.css" in text
