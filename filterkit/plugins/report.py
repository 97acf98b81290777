"""Report errors in plugins in one line that names the plugin."""

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
    """The last location of a traceback in `package`, a top-level name, as ``file:line``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [
        f"{frame.f_code.co_filename}:{number}"
        for frame, number in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
        and not frame.f_code.co_filename.startswith("<")  # e.g. an evaluated annotation
    ]
    if not lines and error.__cause__:
        return where(error.__cause__, package)
    return lines[-1] if lines else None


@cache
def warn_once(line: str) -> None:
    """Print a line to stderr, once per process even if several hosts find the same fault."""
    print(one_line(line), file=sys.stderr)


@contextmanager
def blame(plugin: Plugin, doing: str, *, extra: str | None = None) -> Iterator[None]:
    """Run code of a plugin; exceptions other than FilterkitError become a PluginError that names it.

    Its output goes to stderr.
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
        hint = f"use --debug for a traceback; {_disable(plugin)}"
        if isinstance(error, ValueError) and "read-only" in str(error):
            hint = f"arguments of plugins are read-only: the plugin must work on a copy; {_disable(plugin)}"
        raise PluginError(f"plugin {plugin}: {doing}: {in_words(error)}", hint=hint) from error


def contract_error(plugin: Plugin, doing: str, problem: str) -> NoReturn:
    """Raise a PluginContractError: `doing` (a hook or method) violates its contract."""
    raise PluginContractError(
        f"plugin {plugin}: {doing} {problem}",
        hint=f"report this to the authors of the plugin; {_disable(plugin)}",
    )


def _disable(plugin: Plugin) -> str:
    return f"to disable it, set FILTERKIT_PLUGINS_BLOCKED={plugin.name}"


def kind_of(value: object) -> str:
    """The type of a value for an error message, with an article."""
    name = type(value).__name__
    article = "an" if name[0] in "aeioAEIO" or name.startswith("nd") else "a"  # an int, a uint8, an ndarray
    return "None" if value is None else f"{article} {name}"


@contextmanager
def traced(plugin: Plugin, doing: str) -> Iterator[None]:
    """Run code of a plugin, and trace its duration: ``filterkit: plugin NAME VERSION: DOING 1.25 ms``."""
    if not settings.trace_plugins():
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        taken = 1000 * (time.perf_counter() - start)
        print(one_line(f"filterkit: plugin {plugin}: {doing} {taken:.2f} ms"), file=sys.stderr)
