"""Write the package of a new plugin."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from filterkit.errors import UsageError, closest

TEMPLATES = Path(__file__).parent / "templates"
KINDS = (
    "source",
    "extractor",
    "normalizer",
    "renderer",
    "metric",
    "format",
    "image-source",
    "gradient-rule",
    "attribution",
    "response-metric",
    "panel",
    "command",
)
LICENSES = ("Apache-2.0", "BSD-3-Clause", "MIT")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 30
PREFIX = "filterkit-"


@dataclass(frozen=True)
class NewPackage:
    """A package that was written.

    Attributes
    ----------
    folder
        The folder of the package.
    files
        The files in it, relative to the folder.
    show
        Command lines that demonstrate it.
    """

    folder: Path
    files: tuple[Path, ...]
    show: tuple[str, ...]


def new_package(name: str, kind: str, folder: Path, license: str = LICENSES[0]) -> NewPackage:
    """Write a complete package with one plugin into a new folder, or nothing at all.

    Parameters
    ----------
    name
        The name that users type, e.g. ``glow``; the distribution is named with the prefix ``filterkit-``.
    kind
        One of `KINDS`.
    folder
        Where to create the package's folder, which is named after the distribution; created if missing.
    license
        One of `LICENSES`.

    Raises
    ------
    UsageError
        If the name is invalid, there is no such kind or license, or the package's folder already exists.
    """
    name = check_name(name)
    for what, given, known in (("kind", kind, KINDS), ("license", license, LICENSES)):
        if given not in known:
            raise UsageError(f"there is no {what} '{given}'", hint=closest(given, known))
    target = folder / f"{PREFIX}{name}"
    if target.exists():
        raise UsageError(f"{target} already exists", hint="choose another name or folder, or move it away")
    words = _words(name, kind, license)
    about = _about(kind, words)
    words |= {"summary": about["summary"], "show": "\n".join(about["show"])}
    words["dependencies"] = "".join(f', "{each}"' for each in about["dependencies"])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{target.name}-") as unfinished:
        written = Path(unfinished, target.name)
        for place, template in _files(words, kind, license):
            path = written / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_fill(template, words), encoding="utf-8")
        shutil.move(written, target)
    files = sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
    return NewPackage(target, tuple(files), tuple(about["show"]))


def check_name(name: str) -> str:
    """The plugin's name without ``filterkit-``.

    Raises
    ------
    UsageError
        If it is not valid as the name of a plugin, a distribution and, with ``_`` for ``-``, a column.
    """
    bare = name.removeprefix(PREFIX)
    if not NAME.fullmatch(bare) or len(bare) > LONGEST:
        rule = f"lower-case letters, digits and -, beginning with a letter, at most {LONGEST} characters"
        near = _nearest(bare)
        raise UsageError(f"a plugin cannot be named '{name}'", hint=f"try '{near}': {rule}" if near else rule)
    return bare


def _nearest(name: str) -> str:
    """The closest valid plugin name; empty if `name` contains nothing to build it from."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", letters).removeprefix(PREFIX).lstrip("-0123456789")
    return words[:LONGEST].rstrip("-")


def _words(name: str, kind: str, license: str) -> dict[str, str]:
    """The values for the placeholders of the templates."""
    return {
        "name": name,
        "kind": kind,
        "article": "An" if kind[0] in "aeiou" else "A",
        "file": kind.rpartition("-")[2],
        "distribution": f"{PREFIX}{name}",
        "module": f"{PREFIX}{name}".replace("-", "_"),
        "column": name.replace("-", "_"),
        "class_name": "".join(part.capitalize() for part in (*name.split("-"), kind.rpartition("-")[2])),
        "license": license,
        "year": str(datetime.date.today().year),
    }


def _about(kind: str, words: dict[str, str]) -> dict[str, Any]:
    """A kind's summary, its dependencies, and the commands that demonstrate it."""
    return tomllib.loads(_fill(TEMPLATES / kind / "about.toml.tmpl", words))


def _files(words: Mapping[str, str], kind: str, license: str) -> Iterator[tuple[str, Path]]:
    """The path of each file, and its template."""
    module = words["module"]
    common, own = TEMPLATES / "common", TEMPLATES / kind
    yield "pyproject.toml", common / "pyproject.toml.tmpl"
    yield "README.md", common / "README.md.tmpl"
    yield "LICENSE", TEMPLATES / "licenses" / f"{license}.tmpl"
    yield ".gitignore", common / "gitignore.tmpl"
    yield ".github/workflows/test.yml", common / "test.yml.tmpl"
    yield f"src/{module}/py.typed", common / "py.typed.tmpl"
    yield f"src/{module}/__init__.py", own / "hook.py.tmpl"
    yield f"src/{module}/{words['file']}.py", own / "code.py.tmpl"
    yield f"tests/test_{module}.py", own / "test.py.tmpl"
    yield "tests/test_readme.py", common / "test_readme.py.tmpl"


def _fill(template: Path, words: dict[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(words)
