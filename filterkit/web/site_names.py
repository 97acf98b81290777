"""The names of the files of an export: one for each URL, valid on every operating system.

Names of models and layers come from files of others. A name here consists of ``a-z 0-9 - _ . ~ = ,`` only, so
that Windows, macOS and Linux store it as it is, and it needs no quoting in a URL. Different URLs have
different names, also where case does not matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlencode

LONGEST = 64
"""Limit on the characters of one part of a path; Windows has 260 for all of it."""

PLAIN = re.compile(r"[a-z0-9_-]")
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(?![^.])")
"""Names of devices on Windows, also before a dot."""

PICTURES = (".png", ".svg", ".jpg", ".webp")
RESOURCES = (*PICTURES, ".css", ".js", ".ico", ".woff2")
SUFFIXES = (".html", ".json", ".csv", *RESOURCES)
"""Of the files that are written."""

FORMATS = {"json": ".json", "csv": ".csv", "png": ".png"}
DATA = ("json", "csv")


def canonical(url: str) -> str:
    """One URL for those that show the same: without a fragment, a first page, or pages of data.

    >>> canonical("/m/vgg16?page=1#layers")
    '/m/vgg16'
    """
    path, _, query = url.partition("#")[0].partition("?")
    values = [each for each in parse_qsl(query, keep_blank_values=True) if each != ("page", "1")]
    if any(name == "format" for name, _ in values):
        values = [(name, value) for name, value in values if name != "page"]
    return f"{path}?{urlencode(values)}" if values else path


def parts(url: str) -> list[str]:
    """The decoded parts of the path of a URL.

    >>> parts("/m/a%2Fb/3?page=2")
    ['m', 'a/b', '3']
    """
    return [unquote(part) for part in url.partition("?")[0].split("/")[1:]]


def file_name(url: str) -> str:
    """The path of the file of a canonical URL, relative to the folder.

    >>> file_name("/m/vgg16/block1_conv1?page=2"), file_name("/m/Net/con?format=json")
    ('m/vgg16/block1_conv1,page,2.html', 'm/=net/~63on.json')
    """
    path, query = parts(url), parse_qsl(url.partition("?")[2], keep_blank_values=True)
    suffix = ".html"
    if path[-1].endswith(RESOURCES) and is_resource(url):
        path[-1], dot, kind = path[-1].rpartition(".")
        suffix = dot + kind
    elif form_of(url) in FORMATS:
        suffix, query = FORMATS[form_of(url)], [each for each in query if each[0] != "format"]
    if path == [""]:
        *folders, name = ("index",)
    else:
        *folders, name = map(_part, path)
        if not folders and path == ["index"]:
            name = "~69ndex"
    name = ",".join((name, *(_escaped(text) for pair in query for text in pair)))
    return "/".join((*folders, _short(name) + suffix))


def form_of(url: str) -> str:
    """The format of a URL of data; empty if it is a page."""
    query = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    return next((value for name, value in query if name == "format"), "")


def is_view(url: str) -> bool:
    """Whether a URL is that of a page as a person chose to see it: sorted, or by a condition."""
    names = {name for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    return bool(names - {"page", "format"}) and not url.startswith("/atlas/")


def is_resource(url: str) -> bool:
    """Whether a URL is that of a picture, style or script; paths of addresses may have any suffix."""
    path = url.partition("?")[0]
    return form_of(url) == "png" or (path.endswith(RESOURCES) and not path.startswith("/m/"))


def is_safe(name: str) -> bool:
    """Whether a path, read from a file, can be one of ours."""
    folders = name.split("/")
    return name.endswith(SUFFIXES) and all(
        re.fullmatch(r"[a-z0-9_~=,.-]{1,80}", part) and part.strip(".") for part in folders
    )


def _part(text: str) -> str:
    return _short(_escaped(text))


def _escaped(text: str) -> str:
    """The text in plain characters: ``=c`` is a C, ``~20`` the byte of a space."""
    made = "".join(map(_character, text))
    while made.endswith(SUFFIXES) or made.endswith("."):  # or a folder could have the name of a file
        stem, _, rest = made.rpartition(".")
        made = f"{stem}~2e{rest}"
    if made.startswith(".") or RESERVED.match(made):
        made = f"~{ord(made[0]):02x}{made[1:]}"
    return made


def _character(character: str) -> str:
    if PLAIN.match(character) or character == ".":
        return character
    if "A" <= character <= "Z":
        return f"={character.lower()}"
    return "".join(f"~{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def _short(name: str) -> str:
    """A long name is cut; its hash makes it unique, behind two tildes, which no other name contains."""
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    return f"{name[: LONGEST - 26].rstrip('.')}~~{digest}"


def relative(source: str, target: str) -> str:
    """A link from one file to another.

    >>> relative("m/vgg16/block1_conv1.html", "static/style.css")
    '../../static/style.css'
    """
    ours, theirs = source.split("/")[:-1], target.split("/")
    same = _common(ours, theirs[:-1])
    return "/".join([".."] * (len(ours) - same) + theirs[same:])


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many folders two paths have in common."""
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    return count
