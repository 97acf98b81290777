"""Conformance check for panels of the explorer."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.errors import FilterkitError
from filterkit.plugins.protocols import Panel, PanelContent
from filterkit.testing.findings import writes_nothing
from filterkit.testing.subjects import Subject, subject_of
from filterkit.testing.tiny_models import tiny_catalog

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

ODD: Mapping[str, str] = {"observation": "<none>", "sort": "'; --", "limit": "-1", "page": "x", "": "\0"}
"""A query that nobody expects; anybody may write one."""

BLOCKED = re.compile(
    r"<script|<style|\sstyle\s*=|\son\w+\s*=|javascript:|(src|srcset)\s*=\s*.?(https?:)?//", re.I
)
"""What the explorer's Content-Security-Policy does not let run or load."""


def check_panel(panel: Panel | Callable[[], Panel], *addresses: str, models: Iterable[str] = ()) -> None:
    """Check a panel on the pages of tiny models of all kinds.

    Parameters
    ----------
    panel
        The object, or a class or another factory that takes no arguments.
    addresses
        Addresses for which it must show something, such as ``"plain/conv/0"``: of `tiny_catalog` or `models`.
    models
        Models to add to the catalog, as for `Workbench.add`, e.g. ``"classic"``.

    Raises
    ------
    ConformanceError
        Lists all violations. A panel must show valid rows, sheets or templates, or nothing, for every address
        of its kinds; refuse with filterkit's own errors only; show the same the second time; take any
        query; have a template that renders, without scripts, styles and files of other
        hosts, which the explorer blocks; write no files and print nothing.
    """
    subject = subject_of("panel", panel, "show")
    findings = subject.findings
    for name in ("heavy", "narrow"):
        given = getattr(subject.inner, name, False)
        findings.require(isinstance(given, bool), f"has {name}={given!r}, which is neither True nor False")
    with tempfile.TemporaryDirectory() as folder, writes_nothing(findings):
        from filterkit.workbench import Workbench

        with Workbench(tiny_catalog(folder), progress=False) as bench:
            for model in models:
                bench.add(model)
            tried = list(_addresses(bench, subject.wrapped.kinds))
            shown = [each for each in dict.fromkeys((*addresses, *tried)) if _check(subject, bench, each)]
    findings.require(bool(shown), "shows nothing for any address")
    for address in addresses:
        findings.require(address in shown, "shows nothing", address)
    findings.conclude()


def _addresses(bench: Workbench, kinds: Iterable[str]) -> Iterator[str]:
    """The first page of each kind for every layer."""
    models = list(bench.models()["model"])
    layers = [address for model in models for address in bench.layers(model)["address"]]
    ends = {"layer": "", "filter": "/0", "kernel": "/0/0"}
    for kind in kinds:
        yield from models if kind == "model" else (f"{layer}{ends[kind]}" for layer in layers)


def _check(subject: Subject, bench: Workbench, address: str) -> bool:
    """Show an address; whether it showed something."""
    findings, wrapped = subject.findings, subject.wrapped
    show = partial(_shown, wrapped, bench, address)
    first = findings.attempt(address, show, allowed=FilterkitError)
    findings.attempt(f"{address} and an odd query", partial(show, ODD), allowed=FilterkitError)
    if first is None:
        return False
    # Bare, as filterkit keeps what a plugin prints from stdout.
    findings.attempt(address, lambda: subject.inner.show(bench, address, {}), allowed=FilterkitError)
    again = findings.attempt(address, show, allowed=FilterkitError)
    findings.require(_same(first, again), "shows something else the second time", address)
    written = findings.attempt(address, partial(_written, wrapped, bench, address, first))
    found = BLOCKED.search(written or "")
    if found:
        findings.add(f"writes '{found[0].strip()}', which the explorer blocks", address)
    return True


def _shown(
    panel: Any, bench: Workbench, address: str, options: Mapping[str, str] | None = None
) -> PanelContent | None:
    found: PanelContent | None = panel.show(bench, address, options or {})
    return found


def _same(one: PanelContent, other: PanelContent | None) -> bool:
    """Whether two contents are equal, with NaN equal to NaN."""
    if other is None or one.sheets.keys() != other.sheets.keys():
        return False
    tiles = (np.array_equal(sheet.tiles, other.sheets[name].tiles) for name, sheet in one.sheets.items())
    rows = repr(one.rows) == repr(other.rows)
    return rows and all(tiles) and _plain(one) == _plain(other)


def _plain(content: PanelContent) -> PanelContent:
    return replace(content, rows=None, sheets={}, values={})


def _written(panel: Any, bench: Workbench, address: str, content: PanelContent) -> str:
    """The HTML of what it shows.

    Raises
    ------
    FilterkitError
        The template cannot be rendered, or what renders it is not installed.
    """
    try:
        from filterkit.web import links, page_pictures, panel_sections
    except ImportError as error:
        if content.template:
            raise FilterkitError("needs cnn-filterkit[web] to render its template") from error
        return ""
    kind = ("model", "layer", "filter", "kernel")[address.count("/")]
    place = links.href(address) or "/"
    page = panel_sections.PanelPage(kind, address, place, {}, page_pictures.urls(bench))
    with panel.drawing(f"the template {content.template}" if content.template else "its rows"):
        return str(panel_sections.html(page, "checked", content))
