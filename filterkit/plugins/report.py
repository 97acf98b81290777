"""Whose fault it was: what goes wrong in a plugin, told in one line that names the plugin."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from traceback import walk_tb
from typing import TYPE_CHECKING, NoReturn

from filterkit import settings
from filterkit.errors import FilterkitError, PluginContractError, PluginError, one_line
from filterkit.plugins.stdout import stdout_for_data

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin


def in_words(error: BaseException) -> str:
    """An exception in one line: its type, unless filterkit raised it, and its message."""
    text = one_line(" ".join(str(error).split()))
    if isinstance(error, FilterkitError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def where(error: BaseException, package: str) -> str | None:
    """The last line of an exception's traceback that is in `package`, a top-level name, as ``file:line``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [
        f"{frame.f_code.co_filename}:{number}"
        for frame, number in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
        and not frame.f_code.co_filename.startswith("<")  # an annotation that was looked up, say
    ]
    if not lines and error.__cause__:
        return where(error.__cause__, package)
    return lines[-1] if lines else None


@cache
def warn_once(line: str) -> None:
    """Say a line on stderr, once per process, however many hosts find the same fault."""
    print(one_line(line), file=sys.stderr)


@contextmanager
def blame(plugin: Plugin, doing: str, *, extra: str | None = None) -> Iterator[None]:
    """Run code of a plugin; what it raises becomes a PluginError that names it, unless it is one of ours.

    What it prints goes to stderr.
    """
    try:
        with stdout_for_data(plugin):
            yield
    except FilterkitError:
        raise
    except (Exception, SystemExit) as error:
        if extra and plugin.distribution and isinstance(error, ImportError):
            raise PluginError(
                f"{doing} needs the extra '{extra}': {in_words(error)}",
                hint=f"pip install '{plugin.distribution}[{extra}]'",
            ) from error
        hint = f"--debug shows where; FILTERKIT_PLUGINS_BLOCKED={plugin.name} goes without it"
        if isinstance(error, ValueError) and "read-only" in str(error):
            hint = (
                "what filterkit hands to a plugin is read-only: the plugin must work on a copy;"
                f" FILTERKIT_PLUGINS_BLOCKED={plugin.name} goes without it"
            )
        raise PluginError(f"plugin {plugin}: {doing}: {in_words(error)}", hint=hint) from error


def contract_error(plugin: Plugin, doing: str, problem: str) -> NoReturn:
    """Raise a PluginContractError: `doing` (a hook, or a method) did what its contract does not allow."""
    raise PluginContractError(
        f"plugin {plugin}: {doing} {problem}",
        hint=f"report it to its authors; FILTERKIT_PLUGINS_BLOCKED={plugin.name} goes without it",
    )


def kind_of(value: object) -> str:
    """What a plugin returned, in words for such a message."""
    name = type(value).__name__
    article = "an" if name[0] in "aeioAEIO" or name.startswith("nd") else "a"  # an int, a uint8, an ndarray
    return "None" if value is None else f"{article} {name}"


@contextmanager
def traced(plugin: Plugin, doing: str) -> Iterator[None]:
    """Run code of a plugin, and tell how long it took: ``filterkit: plugin NAME VERSION: DOING 1.25 ms``."""
    if not settings.trace_plugins():
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        taken = 1000 * (time.perf_counter() - start)
        print(one_line(f"filterkit: plugin {plugin}: {doing} {taken:.2f} ms"), file=sys.stderr)
