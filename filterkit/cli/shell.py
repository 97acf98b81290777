"""What every command shares: --catalog, --format, --quiet, --debug, and errors in one line."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from filterkit.cli.support.completion import complete_format
from filterkit.errors import FilterkitError, one_line, plain

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.plugins.registry import Registry
    from filterkit.workbench import Workbench

COMMON: dict[str, tuple[Any, Any]] = {
    "catalog": (
        Annotated[
            str | None,
            typer.Option(
                "--catalog", help="Catalog file or URL (default: $FILTERKIT_CATALOG or catalog.db)."
            ),
        ],
        None,
    ),
    "format": (
        Annotated[
            str,
            typer.Option(
                "--format",
                help="table, json, ndjson, csv, tsv, or a plugin's.",
                autocompletion=complete_format,
            ),
        ],
        "table",
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", help="No words and no progress on stderr.")], False),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show tracebacks.")], False),
}


@dataclass(frozen=True)
class Shell:
    """What the common options of one command line ask for, and how a command answers.

    Attributes
    ----------
    catalog
        What ``--catalog`` names; None for the default one.
    format
        What ``--format`` names: an output format as a spec string.
    quiet, debug
        Whether ``--quiet`` and ``--debug`` were given.
    """

    catalog: str | None
    format: str
    quiet: bool
    debug: bool

    @cached_property
    def registry(self) -> Registry:
        """What the plugins contribute; loaded once for the command and its output."""
        from filterkit.plugins.host import load_plugins
        from filterkit.plugins.registry import Registry

        return Registry(load_plugins())

    def check_format(self) -> None:
        """Refuse an unknown format, or bytes for a terminal, before any work is done."""
        from filterkit.cli.support.output import choose_format, refuse_terminal

        refuse_terminal(choose_format(self.registry, self.format), sys.stdout)

    @contextmanager
    def workbench(self) -> Iterator[Workbench]:
        """The workbench over the chosen catalog, with a progress bar where somebody watches.

        Raises
        ------
        CatalogError
            The catalog cannot be opened.
        """
        import logging

        from filterkit.cli.support.progress import progress_bar
        from filterkit.workbench import Workbench

        if self.quiet:
            logging.getLogger("filterkit").setLevel(logging.ERROR)
        with (
            progress_bar(enabled=not self.quiet) as progress,
            Workbench(self.catalog, progress=progress, registry=self.registry) as bench,
        ):
            yield bench

    def rows(
        self, rows: Iterable[Row], columns: Iterable[str], *, brief: Sequence[str] | None = None
    ) -> None:
        """Write rows to stdout in the chosen format.

        Parameters
        ----------
        columns
            Which columns, in which order; a row may have more.
        brief
            The columns that a table shows, where its reader asks for no others; all where it is None.

        Raises
        ------
        UsageError
            There is no such format, or it writes bytes and stdout is a terminal.
        TypeError
            `columns` is no list of names, or `brief` has others.
        """
        from filterkit.cli.support.output import print_rows

        names = () if isinstance(columns, str) else tuple(columns)
        if not names or not set(names).issuperset(brief or ()):
            raise TypeError(
                f"rows() takes names of columns, and in brief some of them: {columns!r}, {brief!r}"
            )
        print_rows(rows, names, self.format, registry=self.registry, brief=brief, quiet=self.quiet)

    def say(self, text: str) -> None:
        """Tell a person something, on stderr; stdout is for data.

        Control characters in it, but for line feeds and tabs, are written out.
        """
        if not self.quiet:
            print(plain(text), file=sys.stderr)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--catalog``, ``--format``, ``--quiet`` and ``--debug``; Typer may then have it.

    Parameters
    ----------
    function
        Its first parameter receives a `Shell`, which tells what they ask for. The others are for Typer: they
        and their annotations say what the command takes.

    Raises
    ------
    NameError
        An annotation cannot be resolved: those of parameters are looked up at once.
    TypeError
        The function takes nothing, or its first parameter is said to be something else than a `Shell`.
    """
    return _command(function, Shell.check_format)


def command_for_any_plugins(function: Callable[..., None]) -> Callable[..., None]:
    """The same for one that mends plugins: it loads none, and learns of an unknown format where it writes."""
    return _command(function, lambda shell: None)


def _command(function: Callable[..., None], check: Callable[[Shell], None]) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or hints.get(parameters[0].name, Shell) not in (Shell, Any):
        raise TypeError(f"{function.__name__}() has no first parameter for the Shell")
    with suppress(AttributeError):  # methods take no attributes
        function.takes_shell = True  # type: ignore[attr-defined]
    own = [
        p.replace(annotation=hints.get(p.name, p.annotation), kind=inspect.Parameter.KEYWORD_ONLY)
        for p in parameters[1:]
    ]

    def wrapper(**arguments: Any) -> None:
        shell = Shell(**{name: arguments.pop(name) for name in COMMON})
        check(shell)
        function(shell, **arguments)
        sys.stdout.flush()

    wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
    wrapper.__module__ = function.__module__
    return declare(wrapper, own)


def declare(function: Callable[..., None], own: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """Make `function`, which takes keywords, look to Typer as if it had `own` and the common options."""
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in COMMON.items()
    ]
    parameters = [*own, *common]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    return function


@contextmanager
def reported_errors(*, debug: bool) -> Iterator[None]:
    """Turn failures into one line on stderr and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # The reader (head, less) has seen enough. Python flushes stdout once more at exit: let it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
    except FilterkitError as error:
        if debug:
            _print_traceback()
        else:
            print_error(error.message, error.hint)
        raise typer.Exit(error.exit_code) from None
    except OSError as error:
        if debug:
            _print_traceback()
            raise typer.Exit(1) from None
        where = f"{error.filename}: " if error.filename else ""
        print_error(
            where + (error.strerror or str(error)), "look whether it is there, and may be read and written"
        )
        raise typer.Exit(1) from None
    except Exception as error:
        if debug:
            _print_traceback()
            raise typer.Exit(1) from None
        words = " ".join(str(error).split()) or "no message"
        print_error(
            f"unexpected {type(error).__name__}: {words[:300]}",
            "this is a fault of filterkit or of a plugin; --debug shows where it happened",
        )
        raise typer.Exit(1) from None


def _print_traceback() -> None:
    import traceback

    print(plain(traceback.format_exc()), end="", file=sys.stderr)


def print_error(message: str, hint: str | None) -> None:
    """``error: …`` and ``hint: …`` on stderr, each on one line whatever the message carries."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {one_line(hint)}", file=sys.stderr)
