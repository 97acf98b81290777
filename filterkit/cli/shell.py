"""What all commands share: --catalog, --format, --quiet, --debug, and error reporting in one line."""

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

from filterkit.cli.support.shared_options import complete_format
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
                help="Output format: table, json, ndjson, csv, tsv, or a plugin's.",
                autocompletion=complete_format,
            ),
        ],
        "table",
    ),
    "quiet": (Annotated[bool, typer.Option("--quiet", help="Suppress messages and progress.")], False),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")], False),
}


@dataclass(frozen=True)
class Shell:
    """The common options of one command line, and how a command writes its output.

    Attributes
    ----------
    catalog
        Value of ``--catalog``; None for the default catalog.
    format
        Value of ``--format``: an output format as a spec string.
    quiet, debug
        Whether ``--quiet`` and ``--debug`` were given.
    """

    catalog: str | None
    format: str
    quiet: bool
    debug: bool

    @cached_property
    def registry(self) -> Registry:
        """The contributions of all plugins; loaded once for the command and its output."""
        from filterkit.plugins.host import load_plugins
        from filterkit.plugins.registry import Registry

        return Registry(load_plugins())

    def check_format(self) -> None:
        """Refuse an unknown format, or binary output to a terminal, before any work is done."""
        from filterkit.cli.support.output import choose_format, refuse_terminal

        refuse_terminal(choose_format(self.registry, self.format), sys.stdout)

    @contextmanager
    def workbench(self, *, progress: bool = True) -> Iterator[Workbench]:
        """The workbench on the chosen catalog, with a progress bar on a terminal unless `progress` is false.

        Raises
        ------
        CatalogError
            The catalog cannot be opened.
        """
        import logging

        from filterkit.workbench import Workbench

        logger = logging.getLogger("filterkit")
        level = logger.level
        if self.quiet:
            logger.setLevel(logging.ERROR)
        try:
            shows = progress and not self.quiet
            with Workbench(self.catalog, progress=shows, registry=self.registry) as bench:
                yield bench
        finally:
            logger.setLevel(level)

    def rows(
        self, rows: Iterable[Row], columns: Iterable[str], *, brief: Sequence[str] | None = None
    ) -> None:
        """Write rows to stdout in the chosen format.

        Parameters
        ----------
        columns
            Columns to write, in order; rows may have more.
        brief
            The columns that a table shows unless the user chooses others; None for all.

        Raises
        ------
        UsageError
            There is no such format, or it is binary and stdout is a terminal.
        TypeError
            `columns` is not a list of names, or `brief` is not a subset of it.
        """
        from filterkit.cli.support.output import print_rows

        names = () if isinstance(columns, str) else tuple(columns)
        if not names or not set(names).issuperset(brief or ()):
            raise TypeError(
                f"rows() takes column names, and brief must be a subset of them: {columns!r}, {brief!r}"
            )
        print_rows(rows, names, self.format, registry=self.registry, brief=brief, quiet=self.quiet)

    def say(self, text: str) -> None:
        """Print a message on stderr; stdout is for data.

        Control characters other than line feeds and tabs are escaped.
        """
        if not self.quiet:
            print(plain(text), file=sys.stderr)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--catalog``, ``--format``, ``--quiet`` and ``--debug`` to a command, for use with Typer.

    Parameters
    ----------
    function
        Its first parameter receives a `Shell` with the values of these options. The other parameters and
        their annotations declare the arguments and options of the command, as usual in Typer.

    Raises
    ------
    NameError
        An annotation cannot be resolved; annotations of parameters are resolved immediately.
    TypeError
        The function has no parameters, or its first one is not annotated as a `Shell`.
    """
    return _command(function, Shell.check_format)


def command_for_any_plugins(function: Callable[..., None]) -> Callable[..., None]:
    """As `command`, for commands that repair plugins: loads none, and checks the format only on output."""
    return _command(function, lambda shell: None)


def _command(function: Callable[..., None], check: Callable[[Shell], None]) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or hints.get(parameters[0].name, Shell) not in (Shell, Any):
        raise TypeError(f"the first parameter of {function.__name__}() must take a Shell")
    with suppress(AttributeError):  # methods cannot have attributes
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
    """Give `function`, which takes keywords, a signature of `own` and the common options for Typer."""
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
    """Report exceptions as one line on stderr and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # The reader (head, less) has closed the pipe. Python flushes stdout once more at exit, which must
        # not fail again.
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
            where + (error.strerror or str(error)), "check that it exists and that you have permission"
        )
        raise typer.Exit(1) from None
    except Exception as error:
        if debug:
            _print_traceback()
            raise typer.Exit(1) from None
        words = " ".join(str(error).split()) or "no message"
        print_error(
            f"unexpected {type(error).__name__}: {words[:300]}",
            "this is a bug in filterkit or in a plugin; --debug shows the traceback",
        )
        raise typer.Exit(1) from None


def _print_traceback() -> None:
    import traceback

    print(plain(traceback.format_exc()), end="", file=sys.stderr)


def print_error(message: str, hint: str | None) -> None:
    """Print ``error: …`` and ``hint: …`` on stderr, each on one line whatever the message contains."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {one_line(hint)}", file=sys.stderr)
