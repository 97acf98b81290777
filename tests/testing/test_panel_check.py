"""Broken panels, and what the check says of them."""

from __future__ import annotations

import itertools
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit import PanelContent, TileSheet
from filterkit.testing import check_panel

COUNT = itertools.count()


class Good:
    title = "Norm"
    kinds: Any = ("filter",)

    def show(self, bench: filterkit.Workbench, address: str, options: Any) -> Any:
        weights = bench.bank(address)[0].astype(float)
        tiles = np.zeros((1, 1, 2, 2), np.float32)
        rows = [{"address": address, "norm": float(np.linalg.norm(weights)), "nan": float("nan")}]
        return PanelContent(rows, sheets={"zero": TileSheet(tiles, count=1)})


class OfEverything(Good):
    kinds = ("model", "layer", "filter", "kernel")

    def show(self, bench: Any, address: str, options: Any) -> Any:
        return [{"address": address, "<b>": "<script>"}]


class Refuses(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        if not address.startswith("plain/"):
            raise filterkit.UsageError("not for this one")
        return super().show(bench, address, options)


class Nothing(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        return None


class OnlyRefuses(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        raise filterkit.UsageError("no")


class Divides(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        return [{"ratio": 1 / 0}]


class Text(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        return "<b>"


class Changes(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        return [{"n": next(COUNT)}]


class TrustsTheQuery(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        return [{"n": int(options.get("page", "1"))}]


class Prints(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        print("hello")
        return []


class Warns(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        warnings.warn("odd", RuntimeWarning, stacklevel=1)
        return []


class Writes(Good):
    def show(self, bench: Any, address: str, options: Any) -> Any:
        Path("left.txt").touch()
        return []


class Heavy(Good):
    heavy = 1


class WithTemplate(Good):
    template = "good.html"

    def show(self, bench: Any, address: str, options: Any) -> Any:
        return PanelContent(template=f"templated:{self.template}", values={"name": "<b>"})


class Missing(WithTemplate):
    template = "none.html"


class Undefined(WithTemplate):
    template = "undefined.html"


class Script(WithTemplate):
    template = "script.html"


class Style(WithTemplate):
    template = "style.html"


class Elsewhere(WithTemplate):
    template = "elsewhere.html"


TEMPLATES = {
    "good.html": '{% import "parts.html" as parts with context %}<p>{{ name }}</p>{{ parts.link(address) }}',
    "undefined.html": "{{ nothing }}",
    "script.html": "<p onclick='alert(1)'>",
    "style.html": '<p style="color: red">',
    "elsewhere.html": '<img src="https://example.org/a.png">',
}


@pytest.fixture(autouse=True)
def templated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with templates."""
    (tmp_path / "templated" / "templates").mkdir(parents=True)
    (tmp_path / "templated" / "__init__.py").touch()
    for name, text in TEMPLATES.items():
        (tmp_path / "templated" / "templates" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "templated", raising=False)
    from filterkit.web import templating

    templating._of_package.cache_clear()
    templating._environment.cache_clear()


@pytest.mark.parametrize("panel", [Good, Good(), OfEverything, Refuses, WithTemplate])
def test_good_panels(panel: Any) -> None:
    check_panel(panel)


def test_addresses_and_models_of_ones_own() -> None:
    check_panel(Good, "classic/edge_sobel_x/0", models=["classic"])
    assert (
        problems(check_panel, Refuses, "grouped/conv/0", "plain/conv1/0")
        == "shows nothing (with grouped/conv/0)"
    )


@pytest.mark.parametrize(
    ("panel", "problem"),
    [
        (Nothing, "shows nothing for any address"),
        (OnlyRefuses, "shows nothing for any address"),
        (Divides, "show() raised ZeroDivisionError: division by zero (with "),
        (Text, "show() returned a str, not rows, a sheet or PanelContent (with "),
        (Changes, "shows something else the second time (with "),
        (TrustsTheQuery, "show() raised ValueError: invalid literal for int() with base 10: 'x' (with "),
        (Prints, "prints to stdout, which is reserved for data (with "),
        (Warns, "emits a warning: odd (with "),
        (Writes, "writes files to the working folder:  left.txt"),
        (Heavy, "has heavy=1, which is neither True nor False"),
        (Missing, "the template templated:none.html: TemplateNotFound: "),
        (Undefined, "the template templated:undefined.html: UndefinedError: 'nothing' is undefined"),
        (Script, "writes 'onclick=', which the explorer blocks"),
        (Style, "writes 'style=', which the explorer blocks"),
        (Elsewhere, "writes 'src=\"https://', which the explorer blocks"),
    ],
)
def test_broken_panels(panel: Any, problem: str) -> None:
    assert problem in problems(check_panel, panel)


def test_what_is_no_panel() -> None:
    assert problems(check_panel, ModuleType("nothing")).endswith("it lacks title, kinds, show")
