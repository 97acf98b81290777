"""Panels as parts of pages: each a section, and one that fails is a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from filterkit.errors import FilterkitError, NotFoundError, PluginError
from filterkit.web import links, panel_loading
from filterkit.web.one_page import Recent, one_page
from filterkit.web.page_pictures import BACKGROUND, GAP, Urls
from filterkit.web.templating import fragment

if TYPE_CHECKING:
    from filterkit.plugins.panel_contract import CheckedPanel
    from filterkit.plugins.protocols import PanelContent
    from filterkit.records import TileSheet
    from filterkit.web.panel_loading import Offer
    from filterkit.workbench import Workbench

MOST_ROWS = 100
"""How many rows of a table are on a page; the data has all."""

OWN = ("panel", "sheet", "fragment", "format")
"""Names in the query of a URL that are not for panels."""

WIDEST, TILE = 960, 48
"""Limits on the pixels of a drawn sheet and on the side of its tiles, unless each value is a pixel."""


@dataclass(frozen=True)
class PanelPage:
    """The page that panels are on.

    Attributes
    ----------
    place
        Its path.
    given
        The query of its URL.
    picture
        As of `page_pictures.urls`.
    server
        What templates get of a running server: the token of its forms, and the job that the page shows.
    """

    kind: str
    address: str
    place: str
    given: Mapping[str, str]
    picture: Urls
    server: Mapping[str, Any] = field(default_factory=lambda: {"csrf": "", "job": None})

    @property
    def options(self) -> dict[str, str]:
        """What panels get of the query."""
        return {name: value for name, value in self.given.items() if name not in OWN}

    def url(self, panel: str, **more: str) -> str:
        """The URL of a panel by itself, or of something of it."""
        return self.place + links.query(self.options, panel=panel, **more)


@dataclass(frozen=True)
class Section:
    """A panel on a page.

    Attributes
    ----------
    url
        Of the panel on a page of its own.
    html
        What it shows; None if it is loaded after the page.
    data
        The URLs of its rows by format.
    error
        Why it shows nothing.
    """

    name: str
    title: str
    url: str
    narrow: bool = False
    html: Markup | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def id(self) -> str:
        """An identifier in HTML, unlike those of other parts of pages."""
        return f"panel-{self.name.replace('/', '-')}"


def sections(bench: Workbench, page: PanelPage) -> list[Section]:
    """All panels of a page, except those that have nothing to show."""
    with one_page():
        return _sections(bench, page)


def _sections(bench: Workbench, page: PanelPage) -> list[Section]:
    found = []
    for offer, panel in panel_loading.panels(bench.registry, page.kind):
        if isinstance(panel, FilterkitError):
            name, url = offer.name, page.url(offer.name)
            found.append(Section(name, offer.registration.contribution.name, url, error=offer.failure(panel)))
        elif panel.heavy:
            found.append(Section(offer.name, panel.title, page.url(offer.name), panel.narrow))
        elif (shown := _section(bench, page, offer, panel)) is not None:
            found.append(shown)
    return found


def section(bench: Workbench, page: PanelPage, name: str) -> Section:
    """One panel, also if it is heavy.

    Raises
    ------
    NotFoundError
        There is no such panel, or it has nothing to show.
    """
    offer, panel = panel_loading.find(bench.registry, page.kind, name)
    shown = _section(bench, page, offer, panel)
    if shown is None and panel.heavy:  # which its page could not know
        nothing = {"part": {"error": FilterkitError("there is nothing to show")}}
        return Section(
            offer.name, panel.title, page.url(offer.name), html=fragment("panel_failed.html", nothing)
        )
    if shown is None:
        raise NotFoundError(f"panel '{name}' has nothing to show for '{page.address}'")
    return shown


def content(bench: Workbench, page: PanelPage, name: str) -> PanelContent:
    """What a panel shows, as data.

    Raises
    ------
    FilterkitError
        Why it shows nothing.
    """
    _, panel = panel_loading.find(bench.registry, page.kind, name)
    found = panel.show(bench, page.address, page.options)
    if found is None:
        raise NotFoundError(f"panel '{name}' has nothing to show for '{page.address}'")
    return found


def sheet_png(bench: Workbench, page: PanelPage, name: str, caption: str) -> bytes:
    """The picture of a sheet that a panel shows."""
    _, panel = panel_loading.find(bench.registry, page.kind, name)
    found = _recent.take(bench.location, page.url(name, sheet=caption)) or content(
        bench, page, name
    ).sheets.get(caption)
    if found is None:
        raise NotFoundError(f"panel '{name}' has no sheet '{caption}'")
    side = max(found.tile_shape)
    scale = max(1, min(TILE // side, WIDEST // (found.columns * side)))
    gap = GAP if found.count > 1 else 0
    with panel.drawing("its sheet"):
        return bytes(bench.render(found, "mosaic", scale=scale, gap=gap, background=BACKGROUND))


def html(page: PanelPage, name: str, found: PanelContent) -> Markup:
    """What a panel shows, written by its template or as its sheets and rows."""
    return fragment(found.template or "panel_content.html", _values(page, name, found))


_recent: Recent[TileSheet] = Recent()


def _section(bench: Workbench, page: PanelPage, offer: Offer, panel: CheckedPanel) -> Section | None:
    about: dict[str, Any] = {
        "name": offer.name,
        "title": panel.title,
        "url": page.url(offer.name),
        "narrow": panel.narrow,
    }
    try:
        found = panel.show(bench, page.address, page.options)
        if found is None:
            return None
        with panel.drawing(f"the template {found.template}" if found.template else "its rows"):
            shown = html(page, offer.name, found)
    except PluginError as error:
        offer.fault(bench.registry, error)
        return Section(**about, error=offer.failure(error))
    except FilterkitError as error:  # not a fault of the plugin: e.g. weights that are missing
        return Section(**about, html=fragment("panel_failed.html", {"part": {"error": error}}))
    forms = ("json", "csv") if found.rows is not None else ()
    for caption, sheet in found.sheets.items():
        _recent.keep(bench.location, page.url(offer.name, sheet=caption), sheet, sheet.tiles.nbytes)
    return Section(**about, html=shown, data={form: page.url(offer.name, format=form) for form in forms})


def _values(page: PanelPage, name: str, found: PanelContent) -> dict[str, Any]:
    """The variables of the template of a panel."""
    urls = {caption: page.url(name, format="png", sheet=caption) for caption in found.sheets}
    return {
        "most": MOST_ROWS,
        **page.server,
        **found.values,
        "place": page.place,
        "given": page.options,
        "picture": page.picture,
        "address": page.address,
        "rows": found.rows,
        "columns": found.columns,
        "caption": found.caption,
        "sheets": found.sheets,
        "sheet_urls": urls,
    }
