"""Conformance check for renderers, on sheets of all kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from filterkit.errors import UsageError
from filterkit.plugins.protocols import Renderer
from filterkit.records import TileSheet
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
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


MANY = 1200


def ordinary_sheet() -> TileSheet:
    """Two filters with three kernels each, labelled by row and column."""
    return TileSheet(
        tiles=_tiles(2, 3, 5, 5),
        count=6,
        title="model/layer",
        note="min-max over the layer",
        row_labels=("0", "1"),
        column_labels=("R", "G", "B"),
        vmin=-1.0,
        vmax=2.0,
        centre=1 / 3,
    )


def trial_sheets() -> Iterator[tuple[str, TileSheet]]:
    """Names and sheets that a renderer must support."""
    sheet = ordinary_sheet()
    yield "an ordinary sheet", sheet
    yield "no text", TileSheet(_tiles(2, 3, 5, 5), 6)
    yield "colours", TileSheet(_tiles(2, 2, 5, 5, 3), 4, "colours", tile_labels=tuple("abcd"))
    yield "empty cells", gallery()
    yield "one tile", TileSheet(_tiles(1, 1, 7, 7), 1, "one", tile_labels=("0",))
    yield "a single pixel", TileSheet(_tiles(1, 1, 1, 1), 1, "pixel")
    yield "tiles one pixel high", TileSheet(_tiles(3, 2, 1, 9), 6, "1-D", row_labels=tuple("012"))
    yield "oblong tiles", TileSheet(_tiles(2, 2, 3, 40), 4, "wide")
    yield "one long row", TileSheet(_tiles(1, 60, 3, 3), 60, "row")
    yield "one tall column", TileSheet(_tiles(60, 1, 3, 3), 60, "column")
    yield "large maps", TileSheet(_tiles(2, 2, 224, 224), 4, "maps")
    values = sheet.tiles * 3 - 1
    values[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    addresses = tuple(f"model/layer/{row}/{column}" for row in range(2) for column in range(3))
    yield "values and addresses", replace(sheet, values=values, addresses=addresses)
    yield "metrics", replace(sheet, values=values, addresses=addresses, metrics=_metrics())
    yield "text metrics", replace(sheet, addresses=addresses, metrics=_metrics(), texts=_texts())
    made = {"address": addresses[0], "model": "model sha256:00", "": "a\x00b" * 2000}
    yield "provenance and a colormap", replace(sheet, centre=0.5, provenance=made, colormap="RdBu_r")
    somewhere = ("", addresses[1], "", "", "", "")
    yield "tiles, one of them in a catalog", replace(sheet, values=values, addresses=somewhere)
    yield "all black", replace(sheet, tiles=np.zeros_like(sheet.tiles))
    yield "all white", replace(sheet, tiles=np.ones_like(sheet.tiles))
    yield "a constant layer", replace(sheet, tiles=np.full_like(sheet.tiles, 0.5), vmin=2.0, vmax=2.0)
    yield "a huge range", replace(sheet, vmin=-3e38, vmax=3e38, centre=0.5)
    yield "a tiny range", replace(sheet, vmin=0.0, vmax=1e-45, centre=0.0)
    yield "float16", replace(sheet, tiles=sheet.tiles.astype(np.float16))
    yield "float64", replace(sheet, tiles=sheet.tiles.astype(np.float64))
    yield "a strided view", replace(sheet, tiles=_tiles(2, 3, 10, 10)[:, :, ::2, ::2])
    words = "<b>&amp; \"$x_1$\" '%s' {0} \\n"
    yield "special characters", replace(sheet, title=words, note=words, row_labels=(words, words))
    yield "other scripts", replace(sheet, title="層 фильтр ∑ ë", row_labels=("α", "🙂"))
    yield "control characters", replace(sheet, title="a\x00b\nc\x1b[31m", column_labels=("\t", "\r", "\x7f"))
    yield "long text", replace(sheet, title="long " * 60, row_labels=("label" * 20, "0"))


def _metrics() -> Mapping[str, NDArray[np.floating[Any]]]:
    """As returned by the catalog: not a dict, read-only, and with missing values."""
    metrics = {
        "l2_norm": np.array([2.0, 2.0, 2.0, 1.5, 1.5, 1.5]),
        "opponency": np.full(6, np.nan),
        "orientation": np.array([170.0, np.nan, 0.0, 1e-300, -1e300, 3.0]),
        "of_a_plugin": np.array([0, np.nan, 1, 1, 0, 0]),
    }
    for values in metrics.values():
        values.flags.writeable = False
    return MappingProxyType(metrics)


def _texts() -> Mapping[str, NDArray[np.str_]]:
    """Types, a boolean that is also numeric, an empty column, and special characters."""
    texts = {
        "classic_type": np.array(["edge", "blur", "edge", "", "other", "blur"]),
        "classic_kernel": np.full(6, ""),
        "of_a_plugin": np.array(["no", "", "yes", "yes", "no", "no"]),
        "remark": np.array(
            ["</script><b>", "{0} %s $x$", "é 層 🙂", "a\x00b\n\x1b[31m", "long " * 60, '"\\']
        ),
    }
    for values in texts.values():
        values.flags.writeable = False
    return MappingProxyType(texts)


def gallery() -> TileSheet:
    """Five tiles in six cells."""
    tiles = _tiles(2, 3, 5, 5)
    tiles[1, 2] = 0
    return TileSheet(tiles, 5, "five", tile_labels=tuple("abcde"), vmin=0.0, vmax=1.0, centre=0.0)


def many_tiles() -> TileSheet:
    """More tiles than fit into a labelled figure."""
    return TileSheet(_tiles(MANY // 30, 30, 3, 3), MANY, "many")


def _tiles(*shape: int) -> NDArray[np.floating[Any]]:
    return np.random.default_rng(len(shape)).random(shape, dtype=np.float32)
