"""Cache of the help of plugin commands, so that showing help does not import plugins.

Only help uses it: running a command always imports its plugin.
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
from filterkit.plugins.candidate import Candidate, file_of

_SHOWN = ("name", "help", "short_help", "hidden", "deprecated", "rich_help_panel")
_LONGEST = 24 * 3600.0
"""Maximum age in seconds, as the commands may depend on more than the files of the plugin."""
_MOST_FILES = 300
"""Maximum number of files to check; with more, importing the plugin is as fast."""
_CACHE_ERRORS = (OSError, UsageError, ValueError, TypeError, LookupError, RecursionError)
"""Errors for a missing, invalid or unwritable cache file."""


def add_remembered(group: TyperGroup, candidates: Sequence[Candidate]) -> bool:
    """Add cached commands of the candidates to `group`; returns whether the cache is valid.

    It is invalid if any file of a plugin has changed, after a day, and if an environment variable configures
    plugins.
    """
    if any(name.startswith("FILTERKIT_") and "PLUGINS" in name for name in os.environ):
        return False
    try:
        cached = json.loads(_place().read_bytes())
        if cached["of"] != _state(candidates) or not 0 <= time.time() - cached["at"] < _LONGEST:
            return False
        commands = [TyperCommand(**{name: row[name] for name in _SHOWN}) for row in cached["rows"]]
    except _CACHE_ERRORS:
        return False
    for command in commands:
        group.add_command(command)
    return True


def remember(commands: Iterable[Any], candidates: Sequence[Candidate]) -> None:
    """Cache the help of `commands`, which are all commands of the candidates.

    Write errors are ignored: help is then merely slower.
    """
    rows = [{name: getattr(command, name) for name in _SHOWN} for command in commands]
    with suppress(*_CACHE_ERRORS):
        text = json.dumps({"of": _state(candidates), "at": time.time(), "rows": rows})
        place = _place()
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_suffix(f".{os.getpid()}")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(place)
        finally:  # it may be incomplete
            new.unlink(missing_ok=True)


def _place() -> Path:
    """The cache file of this Python environment."""
    return settings.cache_folder() / f"commands-{zlib.crc32(sys.prefix.encode()):08x}.json"


def _state(candidates: Sequence[Candidate]) -> list[Any]:
    """Cache key: changes with filterkit, the candidates and their files.

    Raises
    ------
    ValueError, LookupError, OSError
        If a candidate has too many files or none.
    """
    return [
        __version__,
        *([each.name, each.version, each.module, each.attribute, _files(each)] for each in candidates),
    ]


def _files(candidate: Candidate) -> int:
    """A checksum of paths, sizes and times of all files in the plugin's package."""
    file = file_of(candidate) or ""
    depth = candidate.module.count(".") + file.endswith("__init__.py")
    found = _below(str(Path(file).parents[depth - 1])) if depth else iter([_stat(file)])
    seen = sorted(islice(found, _MOST_FILES + 1))
    if not 0 < len(seen) <= _MOST_FILES:
        raise ValueError(f"{len(seen)} files")
    return zlib.crc32(repr(seen).encode())


def _below(folder: str) -> Iterator[tuple[str, int, int]]:
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (_stat(f"{inside}/{name}") for name in names)


def _stat(file: str) -> tuple[str, int, int]:
    found = os.stat(file)  # noqa: PTH116, a Path takes twice as long
    return file, found.st_size, found.st_mtime_ns
