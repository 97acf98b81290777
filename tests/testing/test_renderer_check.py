"""Broken renderers, and what the check says of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from breaking import problems

import filterkit
from filterkit.renderers.mosaic import Mosaic
from filterkit.testing import check_renderer

Sheet = filterkit.TileSheet


class Good:
    media_type = "image/png"
    suffix = ".png"

    def render(self, sheet: Sheet) -> bytes:
        return Mosaic(scale=1).render(sheet)


class Mistaken(Good):
    media_type = "png"
    suffix = "png"


class NoPng(Good):
    def render(self, sheet: Sheet) -> bytes:
        return super().render(sheet)[1:]


class Unescaped(Good):
    media_type, suffix = "image/svg+xml", ".svg"

    def render(self, sheet: Sheet) -> bytes:
        return f"<svg><title>{sheet.title}</title>{sheet.tiles[:, :, 0].tolist()}</svg>".encode()


class UnescapedWords(Good):
    media_type, suffix = "image/svg+xml", ".svg"

    def render(self, sheet: Sheet) -> bytes:
        words = "".join(texts[0] for texts in sheet.texts.values())
        return f"<svg><desc>{words}</desc>{sheet.tiles[:, :, 0].tolist()}</svg>".encode()


class Latin(Good):
    media_type, suffix = "text/plain", ".txt"

    def render(self, sheet: Sheet) -> bytes:
        return "ø".encode("latin-1") + sheet.tiles.tobytes()


class GrayOnly(Good):
    def render(self, sheet: Sheet) -> bytes:
        rows, columns, _height, _width = sheet.tiles.shape
        assert rows * columns >= sheet.count
        return super().render(sheet)


class Blind(Good):
    media_type, suffix = "text/plain", ".txt"

    def render(self, sheet: Sheet) -> bytes:
        return f"{sheet.title}: {sheet.count} tiles".encode()


class DrawsAll(Good):
    media_type, suffix = "text/plain", ".txt"

    def render(self, sheet: Sheet) -> bytes:
        return str(sheet.tiles.tolist()).encode()


class WritesAFile(Good):
    def render(self, sheet: Sheet) -> bytes:
        Path("picture.png").write_bytes(super().render(sheet))
        return super().render(sheet)


class Dated(Good):
    def render(self, sheet: Sheet) -> bytes:
        return super().render(sheet) + random.randbytes(8)


class Hashed(Good):
    media_type, suffix = "text/plain", ".txt"

    def render(self, sheet: Sheet) -> bytes:
        return str(hash(super().render(sheet))).encode()


class Remembers(Good):
    media_type, suffix = "text/plain", ".txt"

    def __init__(self) -> None:
        self.brightest = 0.0

    def render(self, sheet: Sheet) -> bytes:
        self.brightest = max(self.brightest, float(sheet.tiles.max()))
        return super().render(sheet).hex().encode() + str(self.brightest).encode()


class Scribbles(Good):
    def render(self, sheet: Sheet) -> bytes:
        sheet.tiles[sheet.tiles < 0.5] = 0
        return super().render(sheet)


class Refuses(Good):
    def render(self, sheet: Sheet) -> bytes:
        if sheet.count > 50:
            raise filterkit.UsageError("too many")
        return super().render(sheet)


class Talks(Good):
    def render(self, sheet: Sheet) -> bytes:
        print(sheet.title)
        return super().render(sheet)


class Returns(Good):
    def render(self, sheet: Sheet) -> Any:
        return super().render(sheet).hex()


class Nothing(Good):
    def render(self, sheet: Sheet) -> bytes:
        return b""


class Nameless:
    media_type = "image/png"

    def render(self, sheet: Sheet) -> bytes:
        return Good().render(sheet)


def test_a_good_one_passes() -> None:
    check_renderer(Good)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Mistaken, "has the media_type 'png'; expected a form like image/png"),
        (Mistaken, "has the suffix 'png'; expected a form like .png"),
        (NoPng, "returned bytes that are not a .png file (with an ordinary sheet,"),
        (Unescaped, "returned an .svg that is not well-formed XML (mismatched tag"),
        (UnescapedWords, "well-formed XML (mismatched tag: line 1, column 19) (with text metrics"),
        (Latin, "returned bytes that are not UTF-8 for .txt (with an ordinary sheet"),
        (GrayOnly, "render() raised ValueError: too many values to unpack (expected 4"),
        (Blind, "draws the same picture when two tiles are swapped"),
        (Blind, "draws the same picture for other values"),
        (DrawsAll, "draws the empty cells after the last tile"),
        (WritesAFile, "writes files to the working folder:  picture.png"),
        (Dated, "returns different bytes for the same sheet the second time"),
        (
            Hashed,
            "returns different bytes for the same sheet in another process, with another PYTHONHASHSEED",
        ),
        (
            Remembers,
            "returns different bytes for the same sheet the second time (with an ordinary sheet, no text",
        ),
        (Scribbles, "writes to its input, which is read-only (with an ordinary sheet"),
        (Refuses, "raised UsageError: too many (with one long row, one tall column)"),
        (Talks, "prints to stdout, which is reserved for data"),
        (Returns, "render() returned a str, not the bytes of a picture"),
        (Nothing, "render() returned no data, not the bytes of a picture"),
        (Nameless, "is a Nameless, which is not a Renderer: it lacks suffix"),
        (object, "is an object, which is not a Renderer: it lacks media_type, suffix, render"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    assert words in problems(check_renderer, broken)


@pytest.mark.parametrize("broken", [Dated, Hashed, Remembers, Returns, Nothing])
def test_one_fault_is_told_as_one(broken: Any) -> None:
    assert len(problems(check_renderer, broken).splitlines()) == 1
