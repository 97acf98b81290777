"""Exported folders, and where the links in them lead."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.web.site_export import Site

REGISTRY = Registry(load_plugins())


def export(
    catalog: Path, folder: Path, *addresses: str, kernels: bool = False, depth: int = 0
) -> tuple[int, int]:
    site = Site(catalog, REGISTRY, addresses, kernels=kernels, depth=depth)
    return site.write(folder, lambda what, done, total: None)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]


def links(file: Path) -> list[str]:
    """All values of ``href`` and ``src`` in a page."""
    parser = _Links()
    parser.feed(file.read_text(encoding="utf-8"))
    return parser.found


def targets(file: Path) -> Iterator[Path]:
    """The files that a page leads to, or loads; papers on the web are not among them."""
    for link in links(file):
        path = unquote(link.partition("#")[0])
        if path and not path.startswith("https://"):
            yield Path(file.parent, path).resolve()
