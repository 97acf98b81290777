"""Remembers what help shows of plugins' commands, so that it need not import the plugins each time.

Only help reads it: who calls a command imports its plugin, whatever is remembered.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from filterkit import __version__, settings
from filterkit.errors import UsageError
from filterkit.plugins.candidate import Candidate
from filterkit.plugins.source_files import file_of

_SHOWN = ("name", "help", "short_help", "hidden", "deprecated", "rich_help_panel")
_LONGEST = 24 * 3600.0
"""Seconds: what a plugin adds may depend on more than its own files."""
_MOST_FILES = 300
"""More than that are not looked at: to import the plugin is as quick."""
_NO_FILE = (OSError, UsageError, ValueError, TypeError, LookupError, RecursionError)
"""What is raised where the file is not there, or is anything else, and where it cannot be."""


def add_remembered(group: TyperGroup, candidates: Sequence[Candidate]) -> bool:
    """Add what help shows of the candidates' commands to `group`, if it is remembered; whether it is.

    It is not where any of their files changed since, where a day went by, and where the environment says
    anything on plugins.
    """
    if any(name.startswith("FILTERKIT_") and "PLUGINS" in name for name in os.environ):
        return False
    try:
        held = json.loads(_place().read_bytes())
        if held["of"] != _state(candidates) or not 0 <= time.time() - held["at"] < _LONGEST:
            return False
        commands = [TyperCommand(**{name: row[name] for name in _SHOWN}) for row in held["rows"]]
    except _NO_FILE:
        return False
    for command in commands:
        group.add_command(command)
    return True


def remember(commands: Iterable[Any], candidates: Sequence[Candidate]) -> None:
    """Keep what help shows of `commands`, which are all that the candidates add.

    Where that cannot be written, help takes longer, and nothing is lost.
    """
    rows = [{name: getattr(command, name) for name in _SHOWN} for command in commands]
    with suppress(*_NO_FILE):
        text = json.dumps({"of": _state(candidates), "at": time.time(), "rows": rows})
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_suffix(f".{os.getpid()}")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(place)
        finally:  # half of it may be there
            new.unlink(missing_ok=True)


def _place() -> Path:
    """A file for each environment of Python: each has plugins of its own."""
    return settings.cache_folder() / f"commands-{zlib.crc32(sys.prefix.encode()):08x}.json"


def _state(candidates: Sequence[Candidate]) -> list[Any]:
    """Another one whenever filterkit, a candidate, or any of its files is another.

    Raises
    ------
    ValueError, LookupError, OSError
        A candidate has too many files, or none.
    """
    return [
        __version__,
        *([each.name, each.version, each.module, each.attribute, _files(each)] for each in candidates),
    ]


def _files(candidate: Candidate) -> int:
    """A checksum over the paths, sizes and times of all files of the package that a plugin lies in."""
    file = file_of(candidate) or ""
    depth = candidate.module.count(".") + file.endswith("__init__.py")
    found = _below(str(Path(file).parents[depth - 1])) if depth else iter([_look(file)])
    seen = sorted(islice(found, _MOST_FILES + 1))
    if not 0 < len(seen) <= _MOST_FILES:
        raise ValueError(f"{len(seen)} files")
    return zlib.crc32(repr(seen).encode())


def _below(folder: str) -> Iterator[tuple[str, int, int]]:
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (_look(f"{inside}/{name}") for name in names)


def _look(file: str) -> tuple[str, int, int]:
    found = os.stat(file)  # noqa: PTH116, a Path takes twice as long
    return file, found.st_size, found.st_mtime_ns
