"""Templates: everything that is written into a page is escaped, and shown in plain characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from filterkit.errors import one_line
from filterkit.web import links

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

LONGEST = 200
"""Limit on the characters of one value in a table."""


def render(template: str, values: Mapping[str, Any], request: Request) -> str:
    """The text of a page."""
    place = request.url.path
    given = {name: value for name, value in request.query_params.multi_items() if name != "format"}
    every = {name: list(filter(None, request.query_params.getlist(name))) for name in given}
    as_format = {form: place + links.query(every, format=form) for form in ("json", "csv")}
    page = _environment().get_template(template)
    state = request.app.state
    always = {"csrf": state.csrf, "allow_changes": state.allow_changes, "is_running": False}
    return page.render({"as_format": as_format, "given": given, "place": place, **always, **values})


def fragment(template: str, values: Mapping[str, Any]) -> Markup:
    """The HTML of a part of a page; `template` may be of another package, ``"package:file.html"``."""
    return Markup(_environment().get_template(template).render(values))


class _Templates(BaseLoader):
    """Templates of any package by ``package:file.html``, and our own by their file alone: ``parts.html``."""

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        package, _, file = template.rpartition(":")
        return _of_package(package or "filterkit.web").get_source(environment, file)


@cache
def _of_package(package: str) -> PackageLoader:
    return PackageLoader(package)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=_Templates(),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"shown": shown, "code": code, "lines": lines}
    made.globals |= {"href": links.href, "path": links.path, "query": links.query}
    return made


def _plain(value: Any) -> Any:
    """Text without characters that hide or reorder others: names come from untrusted models."""
    return one_line(value) if type(value) is str else value


def shown(value: Any, column: str = "") -> str:
    """A value of a row as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"  # not 1.403e+04
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        mark = "×" if column == "kernel_shape" else ", "
        return _cut(mark.join(map(str, value)))
    return _cut(value.hex() if isinstance(value, bytes) else str(value))


def code(text: str) -> Markup:
    """A message in which what stands between backticks is code."""
    parts = [escape(one_line(part)) for part in re.split("`", text)]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def lines(text: str) -> Markup:
    """A text of several lines, which stay lines."""
    return Markup("\n").join(one_line(line) for line in text.split("\n"))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
