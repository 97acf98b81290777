"""Metadata of picture files: what a picture shows and how it was made, as ``exiftool`` lists it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from filterkit import __version__
from filterkit.errors import one_line

LONGEST = 2_000
"""Maximum number of characters of one text; names and addresses of an untrusted catalog may be long."""

MOST = 32
"""Maximum number of texts."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,59}")
"""Names that every file type can hold; those of a PNG have at most 79 characters."""

PREFIX = "filterkit "
"""Begins the names that are not common to all software."""


def metadata(title: str, note: str, provenance: Mapping[str, str]) -> dict[str, str]:
    """The texts of a PNG by name: ``Title``, ``Description``, ``Software``, and those of `provenance`.

    There is no date: the same picture always has the same bytes.

    Parameters
    ----------
    title, note, provenance
        Those of a `TileSheet`. Names that a file cannot hold are left out.
    """
    texts = {"Title": title, "Description": note, "Software": f"filterkit {__version__}"}
    texts |= {PREFIX + name: text for name, text in provenance.items() if NAME.fullmatch(name)}
    return {name: _bounded(text) for name, text in list(texts.items())[:MOST] if text}


def for_format(texts: Mapping[str, str], format: str) -> dict[str, str | None]:
    """The result of `metadata` as Matplotlib writes it: SVG and PDF have a fixed set of names."""
    if format == "png":
        return dict(texts)
    own = [f"{name.removeprefix(PREFIX)}: {text}" for name, text in texts.items() if name.startswith(PREFIX)]
    about = "; ".join([*([texts["Description"]] if "Description" in texts else []), *own])
    title = texts.get("Title", "")
    if format == "svg":
        return {"Title": title, "Description": about, "Creator": texts["Software"], "Date": None}
    return {"Title": title, "Subject": about, "Creator": texts["Software"], "CreationDate": None}


def _bounded(text: str) -> str:
    text = one_line(str(text)[:LONGEST])
    return text if len(text) < LONGEST else text[: LONGEST - 1] + "…"
