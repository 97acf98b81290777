"""The terminal, read back by an interpreter of its escape sequences."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from filterkit.errors import UsageError
from filterkit.plugins.protocols import Renderer
from filterkit.records import TileSheet
from filterkit.renderers.terminal import Terminal

ESCAPE = re.compile(r"\x1b\[[\d;]*m")


def plain(data: bytes) -> list[str]:
    return ESCAPE.sub("", data.decode()).splitlines()


def colour_of(codes: list[int]) -> tuple[int, ...]:
    """The colour that ``2;r;g;b`` or ``5;n`` stands for, by xterm's table; eats what it reads."""
    if codes.pop(0) == 2:
        return codes.pop(0), codes.pop(0), codes.pop(0)
    number = codes.pop(0)
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    return tuple(55 + 40 * step if step else 0 for step in np.unravel_index(number - 16, (6, 6, 6)))


def pixels_of(line: str) -> list[tuple[Any, Any]]:
    """Upper and lower pixel of every character; None where nothing is painted."""
    out, fore, back = [], None, None
    for token in re.findall(r"\x1b\[[\d;]*m|.", line):
        if token.startswith("\x1b"):
            codes = [int(code) for code in token[2:-1].split(";")]
            while codes:
                code = codes.pop(0)
                if code == 38:
                    fore = colour_of(codes)
                elif code == 48:
                    back = colour_of(codes)
                else:
                    fore = back = None
        else:
            out.append({"▀": (fore, back), "▄": (back, fore)}.get(token, (back, back)))
    assert fore is None and back is None, "a line leaves the terminal in colour"
    return out


def test_fits_the_protocol() -> None:
    assert isinstance(Terminal(), Renderer)
    assert (Terminal().media_type, Terminal().suffix) == ("text/plain", ".txt")


def test_half_blocks_hold_every_value(make_sheet: Any) -> None:
    sheet = make_sheet(16, 18, row_labels=(), column_labels=(), title="", note="")
    lines = Terminal(color="truecolor").render(sheet).decode().splitlines()
    assert len(lines) == 32  # three pixels and a gap of one, two to a line
    levels = np.floor(sheet.tiles * 255 + 0.5).astype(int)
    for row in range(16):
        seen = [pixels_of(lines[2 * row + half]) for half in (0, 1)]
        for column, across in np.ndindex(18, 3):
            first, second = (line[4 * column + across] for line in seen)
            upper, middle, lower = ((level,) * 3 for level in levels[row, column, :, across].tolist())
            assert (first, second) == ((upper, middle), (lower, None))


def test_256_colours_are_the_nearest_there_are(make_sheet: Any) -> None:
    sheet = make_sheet(1, 1, title="", note="", row_labels=(), column_labels=())
    seen = pixels_of(Terminal(color="ansi256").render(sheet).decode().splitlines()[0])
    levels = np.floor(sheet.tiles[0, 0, 0].repeat(8) * 255 + 0.5)
    grays = np.array([0, 95, 135, 175, 215, 255, *range(8, 239, 10)])
    for level, (upper, _) in zip(levels, seen, strict=True):
        assert upper[0] == upper[1] == upper[2]
        assert abs(upper[0] - level) == np.abs(grays - level).min()


def test_colours_survive_in_256(make_gallery: Any) -> None:
    tiles = np.zeros((1, 3, 2, 2, 3), np.float32)
    for channel in range(3):
        tiles[0, channel, ..., channel] = 1
    sheet = make_gallery(tiles=tiles, count=3, tile_labels=(), title="", note="")
    line = pixels_of(Terminal(color="ansi256").render(sheet).decode().splitlines()[0])
    assert [line[0][0], line[25][0], line[50][0]] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_plain_characters_are_denser_where_values_are_larger() -> None:
    tiles = np.linspace(0, 1, 10, dtype=np.float32).reshape(1, 1, 1, 10)
    lines = plain(Terminal(color="none").render(TileSheet(tiles=tiles, count=1)))
    assert lines[0] == "".join(char * 4 for char in " .:-=+*#%@")
    assert "\x1b" not in Terminal(color="none").render(TileSheet(tiles=tiles, count=1)).decode()


def test_labels_stand_beside_and_above(make_sheet: Any) -> None:
    lines = plain(Terminal(color="truecolor").render(make_sheet(column_labels=("B", "G", "R"))))
    assert lines[0] == "vgg16/block1_conv1/0:6"
    assert lines[1].split() == ["B", "G", "R"]
    assert [line[0] for line in lines[2:] if line and line[0].isdigit()] == list("012345")
    assert lines[-1] == "min-max over the layer"
    first = lines[2].index("▀")
    assert first == 2 and lines[1].index("B") - first == 4  # above the middle of nine pixels


@pytest.mark.parametrize("color", ["truecolor", "ansi256", "none"])
@pytest.mark.parametrize("width", [20, 40, 80, 133])
def test_no_line_is_longer_than_the_terminal(
    make_sheet: Any, make_gallery: Any, color: Any, width: int
) -> None:
    long = {"title": "vgg16/block1_conv1 after the activation, photo.jpg " * 4, "note": "word " * 60}
    names = tuple(f"a long label {number}" for number in range(64))
    for sheet in (
        make_sheet(64, 64, row_labels=names, column_labels=names, **long),
        make_sheet(3, 3, **long),
        make_sheet(2, 2, 224, 160, **long),
        make_sheet(5, 3, 1, 300, **long),
        make_gallery(8, 8, 64, height=224, width=224, tile_labels=names, **long),
        make_gallery(32, 16, 512, **long),
    ):
        assert max(map(len, plain(Terminal(width=width, color=color).render(sheet)))) <= width


def test_says_how_many_of_a_table_are_shown(make_sheet: Any) -> None:
    lines = plain(Terminal(color="truecolor", height=40).render(make_sheet(64, 64)))
    said = " ".join(lines[-2:])
    assert "380 of 4,096 tiles (20 of 64 rows, 19 of 64 columns)" in said
    assert "-o FILE.png" in said
    assert sum(line[:2].strip().isdigit() for line in lines[2:]) == 20


def test_says_how_many_of_a_gallery_are_shown(make_gallery: Any) -> None:
    lines = plain(Terminal(color="truecolor", height=8).render(make_gallery(8, 8, 64, height=224, width=224)))
    assert "Showing 6 of 64 tiles. To see all" in lines[-1]


@pytest.mark.parametrize("color", ["truecolor", "none"])
def test_says_nothing_where_all_is_shown(make_sheet: Any, make_gallery: Any, color: Any) -> None:
    for sheet in (make_sheet(), make_sheet(64, 3), make_gallery(), make_gallery(16, 32, 512)):
        shown = plain(Terminal(color=color, height=400).render(sheet))
        assert not any("Shown" in line for line in shown)


def test_tiles_with_labels_flow_into_the_width(make_gallery: Any) -> None:
    lines = plain(Terminal(color="truecolor").render(make_gallery(16, 32, 512)))
    starts = [int(line[:3]) for line in lines if line[:3].strip().isdigit()]
    assert starts == list(range(0, 512, 19))


def test_large_tiles_are_shrunk_to_their_means() -> None:
    tiles = np.zeros((1, 1, 160, 160), np.float32)
    tiles[..., :80] = 1
    tiles[..., 80:, 80:] = 0.2
    lines = Terminal(color="truecolor").render(TileSheet(tiles=tiles, count=1)).decode().splitlines()
    rows = [pixels_of(line) for line in lines if line]
    assert len(rows[0]) > 60
    half = len(rows[0]) // 2
    assert {pixel for pixel, _ in rows[0][: half - 1]} == {(255,) * 3}
    assert {pixel for pixel, _ in rows[0][half + 1 :]} == {(0,) * 3}
    assert {pixel for pixel, _ in rows[-2][half + 1 :]} == {(51,) * 3}


def test_a_hostile_name_cannot_steer_the_terminal(make_sheet: Any) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\r\n"
    data = Terminal(color="none").render(make_sheet(title=evil, note=evil, row_labels=(evil,) * 6))
    assert set(data.decode()) & {"\x1b", "\x07", "\r"} == set()


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [
        ({"TERM": "xterm-256color"}, True, "5;"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True, "2;"),
        ({"WT_SESSION": "1"}, True, "2;"),
        ({"TERM": "dumb"}, True, None),
        ({"TERM": "xterm", "COLORTERM": "truecolor", "NO_COLOR": "1"}, True, None),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, False, None),
    ],
)
def test_colours_suit_the_terminal(
    make_sheet: Any, monkeypatch: Any, environment: dict[str, str], terminal: bool, expected: str | None
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR", "WT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    text = Terminal().render(make_sheet()).decode()
    assert ("\x1b" in text) == (expected is not None)
    if expected:
        assert f"\x1b[38;{expected}" in text


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"width": 10}, "20"),
        ({"height": 1}, "4"),
        ({"color": "truecolour"}, "'truecolor'"),
        ({"colormap": "magmaa"}, "'magma'"),
    ],
)
def test_wrong_options_are_wrong_use(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Terminal(**options)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("color", ["none", "ansi256"])
def test_plain_characters_are_not_explained_by_colours(make_sheet: Any, color: Any) -> None:
    parts = ["value 1", "random weights from red on", "red raises the value, blue lowers it", "colours ±2"]
    text = plain(Terminal(color=color, width=200).render(make_sheet(note="; ".join(parts))))
    if color == "none":
        del parts[2]
    assert "; ".join(parts) in text
