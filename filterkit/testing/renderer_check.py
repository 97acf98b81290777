"""The conformance check of renderers."""

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
from filterkit.testing.files import writes_nothing
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.sheets import gallery, many_tiles, ordinary_sheet, trial_sheets
from filterkit.testing.subjects import pickled, subject_of

BEGINNINGS = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".gif": b"GIF8", ".jpg": b"\xff\xd8\xff"}
MOST_REPEATED = 3
"""Sheets that are drawn again: a picture takes its time."""

TEXTS = (".txt", ".html", ".svg", ".md", ".json", ".csv")


def check_renderer(renderer: Renderer | Callable[[], Renderer]) -> None:
    """Try a renderer on sheets of all shapes, in gray and colour, with words of all sorts.

    Parameters
    ----------
    renderer
        The object, or a class or another factory that takes no arguments.

    Raises
    ------
    ConformanceError
        Lists what it breaks: a file of the kind that `suffix` and `media_type` say, as bytes, the same for
        the same sheet, whatever came before; other tiles, other bytes; nothing drawn of the empty places
        behind the last tile; a sheet that stays as it was; no files written, no warnings, no output;
        pickling; options. More than a thousand tiles it may refuse, with a `UsageError`.
    """
    subject = subject_of("renderer", renderer, "render")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    kinds = findings.attempt("", lambda: (wrapped.media_type, wrapped.suffix))
    media_type, suffix = kinds or ("", "")
    fine = isinstance(media_type, str) and re.fullmatch(r"[a-z]+/[\w.+-]+", media_type)
    findings.hold(bool(fine), f"has the media_type {media_type!r}; one is written like image/png")
    fine = isinstance(suffix, str) and re.fullmatch(r"\.[a-z0-9.]+", suffix)
    findings.hold(bool(fine), f"has the suffix {suffix!r}; one is written like .png")
    tried: dict[str, tuple[TileSheet, bytes]] = {}
    with writes_nothing(findings):
        for name, sheet in trial_sheets():
            before = sheet.tiles.tobytes()
            drawn = findings.attempt(name, partial(wrapped.render, sheet))
            findings.hold(sheet.tiles.tobytes() == before, "changes its sheet", name)
            if drawn is not None:
                _check_kind(findings, drawn, str(suffix), name)
                if len(tried) < MOST_REPEATED:
                    tried[name] = sheet, drawn
        findings.attempt("1,200 tiles", partial(wrapped.render, many_tiles()), allowed=UsageError)
        sheet = ordinary_sheet()
        first, again = (findings.attempt("", partial(wrapped.render, sheet)) for _ in range(2))
        if first is not None and first == again:  # else whatever differs says nothing
            _compare(findings, wrapped)
        # Bare, as filterkit keeps what a plugin prints from stdout.
        check_repeats(findings, subject.inner, copy, tried, _rendered, _differs)
    findings.conclude()


def _rendered(renderer: Renderer, sheet: TileSheet) -> bytes:
    return renderer.render(sheet)


def _differs(one: bytes, other: bytes) -> str:
    return "" if one == other else "draws another file of the same sheet"


def _compare(findings: Findings, wrapped: Any) -> None:
    """What must make a difference, and what must not."""
    sheet, five = ordinary_sheet(), gallery()
    spoiled = five.tiles.copy()
    spoiled[1, 2] = 1
    swapped = sheet.tiles.copy()
    swapped[0, 0], swapped[1, 1] = sheet.tiles[1, 1], sheet.tiles[0, 0]
    for one, other, alike, problem in (
        (
            five,
            replace(five, tiles=spoiled),
            True,
            "draws the empty places behind the last tile",
        ),
        (sheet, replace(sheet, tiles=swapped), False, "draws the same where two tiles change places"),
        (sheet, replace(sheet, tiles=1 - sheet.tiles), False, "draws the same of other values"),
    ):
        files = [findings.attempt("", partial(wrapped.render, each)) for each in (one, other)]
        findings.hold(None in files or (files[0] == files[1]) == alike, problem)


def _check_kind(findings: Findings, drawn: bytes, suffix: str, name: str) -> None:
    beginning = BEGINNINGS.get(suffix, b"")
    findings.hold(drawn.startswith(beginning), f"returned bytes that are no {suffix} file", name)
    if suffix not in TEXTS:
        return
    try:
        text = drawn.decode()
    except UnicodeDecodeError:
        findings.add(f"returned bytes that are no UTF-8, for {suffix}", name)
        return
    if suffix == ".svg":
        try:
            ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            findings.add(f"returned an .svg that is no well-formed XML ({error})", name)
