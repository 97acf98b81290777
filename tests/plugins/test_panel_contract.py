"""What a plugin's panel is, and what it shows, is checked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from contracts import Make, contract_error

from filterkit import PanelContent, TileSheet
from filterkit.errors import NotFoundError, PluginError
from filterkit.results.rows import Rows

SHEET = TileSheet(np.ones((1, 1, 2, 2), np.float32), count=1)
BENCH: Any = None


class Html:
    def __html__(self) -> str:
        return "<b>"


class Shown:
    title, kinds = "Mine", ("filter",)

    def __init__(self, result: Any, **more: Any) -> None:
        self.result = result
        vars(self).update(more)

    def show(self, bench: Any, address: str, options: Any) -> Any:
        return self.result(address, options) if callable(self.result) else self.result


def show(make: Make, result: Any) -> Any:
    return make("panel", Shown(result)).show(BENCH, "net/conv/3", {"a": "b"})


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (3, "returned an int, not rows, a sheet or PanelContent"),
        ("<b>text</b>", "returned a str, not rows, a sheet or PanelContent"),
        ({"a": 1}, "returned a dict, not rows, a sheet or PanelContent"),
        (iter([]), "returned a list_iterator, not rows, a sheet or PanelContent"),
        (PanelContent(rows=iter([])), "returned a list_iterator as its rows"),  # type: ignore[arg-type]
        (PanelContent([{"a": 1}], ("b",)), "returned rows without the column 'b'"),
        (PanelContent([{"a": 1}], ["a"]), "returned columns that are not a tuple of texts"),  # type: ignore[arg-type]
        ([{1: 2}], "returned columns that are not a tuple of texts"),
        (PanelContent(caption=3), "returned the caption 3, which is not a short text"),  # type: ignore[arg-type]
        (
            PanelContent(template="page.html"),
            "returned the template 'page.html', which is not a 'package:file.html'",
        ),
        (
            PanelContent(template="a:../b.html"),
            "returned the template 'a:../b.html', which is not a 'package:file.html'",
        ),
        (PanelContent(values={1: 2}), "returned values that are not a mapping from texts"),  # type: ignore[dict-item]
        (
            PanelContent(values={"x": Html()}),
            "returned the value 'x' as HTML; HTML is written by its template, from plain values",
        ),
        (PanelContent(sheets=[SHEET]), "returned sheets that are not a mapping from texts"),  # type: ignore[arg-type]
        (
            PanelContent(sheets={"x": 1}),  # type: ignore[dict-item]
            "returned an int, not a TileSheet, as the sheet 'x'",
        ),
        (
            replace(SHEET, tiles=np.ones((2, 2), np.float32)),
            "returned a sheet without tiles of floats with 4 or 5 axes",
        ),
        *(
            (
                replace(SHEET, tiles=np.full((1, 1, 2, 2), value, np.float32)),
                "returned a sheet with tiles that are not finite or outside [0, 1]",
            )
            for value in (-0.01, 1.01, np.nan, np.inf)
        ),
    ],
)
def test_what_a_panel_returns(make: Make, result: Any, problem: str) -> None:
    assert contract_error(lambda: show(make, result)) == f"panel 'mine': show() {problem}"


PLAIN = [{"a": 0.5, "b": [0, 1]}]
ROWS = [{"a": np.float32(0.5), "b": np.arange(2)}]
WHOLE = PanelContent(PLAIN, ("b",), "Some", {"x": SHEET}, "pack.age:a/b.html", {"n": 1})


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (None, None),
        (SHEET, PanelContent(sheets={"": SHEET})),
        (ROWS, PanelContent(PLAIN, ("a", "b"))),
        (tuple(ROWS), PanelContent(PLAIN, ("a", "b"))),
        (Rows(ROWS, ("a", "b")), PanelContent(PLAIN, ("a", "b"))),
        ([], PanelContent([])),
        ([{"a": 1}, {"b": 2}], PanelContent([{"a": 1, "b": None}, {"a": None, "b": 2}], ("a", "b"))),
        (
            PanelContent([{"a": 1}, {"b": 2}], ("b",)),
            PanelContent([{"a": 1, "b": None}, {"a": None, "b": 2}], ("b",)),
        ),
        (Rows([], ("a",)), PanelContent([], ("a",))),
        (WHOLE, WHOLE),
        (
            lambda address, options: [{"address": address, **options}],
            PanelContent([{"address": "net/conv/3", "a": "b"}], ("address", "a")),
        ),
    ],
)
def test_what_it_shows_becomes_content(make: Make, result: Any, content: Any) -> None:
    assert show(make, result) == content


def test_the_limits_of_values_of_tiles(make: Make) -> None:
    tiles = np.array([[[[0.0, 1.0]]]], np.float32)
    assert show(make, replace(SHEET, tiles=tiles)).sheets[""].tiles is tiles


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"title": ""}, "has the title '', which is not a short text"),
        ({"title": 3}, "has the title 3, which is not a short text"),
        ({"title": "x" * 201}, f"has the title {'x' * 201!r:.40}, which is not a short text"),
        *(
            (
                {"kinds": kinds},
                f"has the kinds {kinds!r}, which are not a tuple of model, layer, filter, kernel",
            )
            for kinds in ((), "filter", ["filter"], ("filters",))
        ),
    ],
)
def test_attributes(make: Make, more: Any, problem: str) -> None:
    assert contract_error(lambda: make("panel", Shown(None, **more))) == f"panel 'mine' {problem}"


@pytest.mark.parametrize("name", ["heavy", "narrow"])
@pytest.mark.parametrize(("given", "found"), [(True, True), (False, False), ("yes", False)])
def test_optional_attributes(make: Make, name: str, given: Any, found: bool) -> None:
    assert getattr(make("panel", Shown(None, **{name: given})), name) is found


def test_the_longest_title(make: Make) -> None:
    assert len(make("panel", Shown(None, title="x" * 200)).title) == 200


def test_errors_name_the_plugin(make: Make) -> None:
    with pytest.raises(PluginError, match=r"plugin .*panel 'mine': show\(\): ZeroDivisionError"):
        show(make, lambda *_: 1 / 0)
    panel = make("panel", Shown(None))
    with (
        pytest.raises(PluginError, match=r"plugin .*panel 'mine': its picture: KeyError"),
        panel.drawing("its picture"),
    ):
        raise KeyError


def test_reasons_of_filterkit_pass(make: Make) -> None:
    def refuse(*_: Any) -> None:
        raise NotFoundError("nothing here")

    with pytest.raises(NotFoundError, match="nothing here"):
        show(make, refuse)


def test_an_object_that_is_none(make: Make) -> None:
    assert "which is not a Panel: it lacks title, kinds, show" in contract_error(
        lambda: make("panel", SimpleNamespace())
    )
