"""Conformance check for renderers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from xml.etree import ElementTree

from filterkit.errors import UsageError
from filterkit.plugins.protocols import Renderer
from filterkit.records import TileSheet
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.sheets import gallery, many_tiles, ordinary_sheet, trial_sheets
from filterkit.testing.subjects import pickled, subject_of

BEGINNINGS = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".gif": b"GIF8", ".jpg": b"\xff\xd8\xff"}
MOST_REPEATED = 3
"""Number of sheets that are rendered again, as rendering is slow."""

TEXTS = (".txt", ".html", ".svg", ".md", ".json", ".csv")


def check_renderer(renderer: Renderer | Callable[[], Renderer]) -> None:
    """Check a renderer with sheets of all shapes, in gray and colour, with all kinds of text.

    Parameters
    ----------
    renderer
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists all violations. It must return bytes of the type that `suffix` and `media_type` state, the same
        for the same sheet, in any order, and different bytes for different tiles; it must not draw the empty
        cells after the last tile, nor modify the sheet; no files, warnings or output; it must be picklable
        and its options must be valid. It may reject more than a thousand tiles with a `UsageError`.
    """
    subject = subject_of("renderer", renderer, "render")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    kinds = findings.attempt("", lambda: (wrapped.media_type, wrapped.suffix))
    media_type, suffix = kinds or ("", "")
    fine = isinstance(media_type, str) and re.fullmatch(r"[a-z]+/[\w.+-]+", media_type)
    findings.require(bool(fine), f"has the media_type {media_type!r}; expected a form like image/png")
    fine = isinstance(suffix, str) and re.fullmatch(r"\.[a-z0-9.]+", suffix)
    findings.require(bool(fine), f"has the suffix {suffix!r}; expected a form like .png")
    tried: dict[str, tuple[TileSheet, bytes]] = {}
    with writes_nothing(findings):
        for name, sheet in trial_sheets():
            before = sheet.tiles.tobytes()
            drawn = findings.attempt(name, partial(wrapped.render, sheet))
            findings.require(sheet.tiles.tobytes() == before, "modifies the sheet", name)
            if drawn is not None:
                _check_kind(findings, drawn, str(suffix), name)
                if len(tried) < MOST_REPEATED:
                    tried[name] = sheet, drawn
        findings.attempt("1,200 tiles", partial(wrapped.render, many_tiles()), allowed=UsageError)
        sheet = ordinary_sheet()
        first, again = (findings.attempt("", partial(wrapped.render, sheet)) for _ in range(2))
        if first is not None and first == again:  # otherwise a comparison is meaningless
            _compare(findings, wrapped)
        # Bare, as filterkit keeps what a plugin prints from stdout.
        check_repeats(findings, subject.inner, copy, tried, _rendered, _differs)
    findings.conclude()


def _rendered(renderer: Renderer, sheet: TileSheet) -> bytes:
    return renderer.render(sheet)


def _differs(one: bytes, other: bytes) -> str:
    return "" if one == other else "returns different bytes for the same sheet"


def _compare(findings: Findings, wrapped: Any) -> None:
    """Check what must and what must not affect the picture."""
    sheet, five = ordinary_sheet(), gallery()
    altered = five.tiles.copy()
    altered[1, 2] = 1
    swapped = sheet.tiles.copy()
    swapped[0, 0], swapped[1, 1] = sheet.tiles[1, 1], sheet.tiles[0, 0]
    for one, other, alike, problem in (
        (
            five,
            replace(five, tiles=altered),
            True,
            "draws the empty cells after the last tile",
        ),
        (sheet, replace(sheet, tiles=swapped), False, "draws the same picture when two tiles are swapped"),
        (sheet, replace(sheet, tiles=1 - sheet.tiles), False, "draws the same picture for other values"),
    ):
        files = [findings.attempt("", partial(wrapped.render, each)) for each in (one, other)]
        findings.require(None in files or (files[0] == files[1]) == alike, problem)


def _check_kind(findings: Findings, drawn: bytes, suffix: str, name: str) -> None:
    beginning = BEGINNINGS.get(suffix, b"")
    findings.require(drawn.startswith(beginning), f"returned bytes that are not a {suffix} file", name)
    if suffix not in TEXTS:
        return
    try:
        text = drawn.decode()
    except UnicodeDecodeError:
        findings.add(f"returned bytes that are not UTF-8 for {suffix}", name)
        return
    if suffix == ".svg":
        try:
            ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            findings.add(f"returned an .svg that is not well-formed XML ({error})", name)
