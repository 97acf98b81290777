"""Links between pages: the path of a page is an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from filterkit.errors import UsageError

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

SELECTION = frozenset("0123456789:,*+- ")
"""The characters of the filters and kernels in an address."""

GRAMMAR = "an address is model/layer/filters/kernels, e.g. vgg16/block1_conv1/0:6 or vgg16/block3_*/7"


def href(address: str) -> str | None:
    """The page of an address; None if it may select several layers, filters or kernels."""
    parts = address.split("/")
    if "*" in address or not 1 <= len(parts) <= 4 or not all(map(is_number, parts[2:])):
        return None
    return f"/m/{path(*parts)}"


def path(*parts: str | int) -> str:
    """Parts of a path, which may contain any characters."""
    return "/".join(quote(str(part), safe="") for part in parts)


def query(values: Mapping[str, Any], **changed: Any) -> str:
    """The query of a URL, from ``?`` on, without values that are empty or None."""
    named = {name: value for name, value in {**values, **changed}.items() if value not in ("", None)}
    return f"?{urlencode(named, doseq=True)}" if named else ""


def is_number(text: str) -> bool:
    """Whether this is the number of a filter or kernel."""
    return text.isascii() and text.isdigit() and len(text) <= 9


def checked_address(bench: Workbench, text: str) -> str:
    """An address that a person typed.

    Operations take some texts for files, to give better hints. What comes from a browser must not lead to a
    file, so only what can be nothing but an address passes, and only if its model exists.

    Raises
    ------
    UsageError
        It is not an address.
    NotFoundError
        There is no such model.
    """
    parts = text.strip().split("/")
    if len(parts) > 4 or not all(parts) or not all(map(SELECTION.issuperset, parts[2:])):
        raise UsageError(f"'{text}' is not an address", hint=GRAMMAR)
    if parts[0] != "*":
        bench.observations(parts[0])  # looks up the model, and nothing else
    return "/".join(parts)
