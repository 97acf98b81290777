"""The conformance check of commands."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import typer

from filterkit.plugins.commands import HOOK, TURNED, hidden_commands, turned_commands
from filterkit.plugins.contributions import NAME
from filterkit.plugins.report import in_words
from filterkit.testing.catalogs import tiny_catalog
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats


def check_command(commands: Callable[[typer.Typer], None] | Any, *examples: str) -> None:
    """Try the commands that a plugin adds.

    Parameters
    ----------
    commands
        The plugin (a module or an object with the hook ``filterkit_commands``), or the hook itself.
    examples
        Command lines without ``filterkit``, such as ``"glow plain --count 2"``. Each is run twice, in an
        empty folder, on a catalog that holds all `TINY_MODELS`.

    Raises
    ------
    ConformanceError
        Lists what it breaks: the hook adds commands, says nothing, and adds the same ones each time; names
        are lower-case letters, digits and ``-``, each given once; every command explains itself and its
        ``--help`` works; every example ends well, prints something or writes a file, and prints the same
        again, whatever came before.
    """
    hook = getattr(commands, HOOK, commands)
    findings = Findings(f"{HOOK} of {getattr(commands, '__name__', type(commands).__name__)}")
    app = findings.attempt("", partial(_app_of, hook))
    again = findings.attempt("", partial(_app_of, hook))
    if app is None or again is None:
        findings.conclude()
        return
    names = _names(app)
    findings.hold(bool(names), "adds no command")
    findings.hold(names == _names(again), "adds other commands the second time")
    for name in hidden_commands(app):
        findings.add(f"adds the command '{name}' twice, and only the last can be called")
    for name in turned_commands(_built(app)):
        findings.add(f"gives Typer '{name}' as it was: {TURNED}")
    for name in names:
        fine = NAME.fullmatch(name) is not None
        findings.hold(fine, f"names a command '{name}'; names are lower-case letters, digits and -")
    with _workplace(filled=bool(examples)) as run:
        for path, command in _every(app, names):
            said = f"'{' '.join(path)}'"
            findings.hold(bool(command.help), f"does not say what {said} does: it has no docstring")
            done = run(app, [*path, "--help"])
            findings.hold(done.exit_code == 0, f"{said} --help fails: {_why(done)}")
        tried: dict[str, tuple[list[str], str]] = {}
        for example in examples:
            words = shlex.split(example)
            if (printed := _try(findings, example, partial(run, app, words))) is not None:
                tried[f"'{example}'"] = words, printed
        check_repeats(findings, hook, None, tried, partial(_printed, run), _differs)
    findings.conclude()


def _app_of(hook: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)  # errors in one line
    app.callback()(lambda: None)  # without one, Typer takes a single command's name away
    hook(app=app)
    return app


def _built(app: Any) -> Mapping[str, Any]:
    from typer.main import get_group

    return get_group(app).commands


def _names(app: Any) -> list[str]:
    return list(_built(app))


def _every(app: Any, names: list[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, and those of groups, with the words that call it."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((name,), _built(app)[name]) for name in names]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        waiting += [((*path, name), each) for name, each in getattr(command, "commands", {}).items()]


@contextmanager
def _workplace(*, filled: bool) -> Iterator[Callable[[typer.Typer, list[str]], Any]]:
    """What runs a command line in an empty folder, with a catalog elsewhere as the default one."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as catalogs, tempfile.TemporaryDirectory() as folder:
        catalog = tiny_catalog(catalogs) if filled else Path(catalogs, "catalog.db")
        os.chdir(folder)
        try:
            yield partial(_run, str(catalog))
        finally:
            os.chdir(before)


def _run(catalog: str, app: typer.Typer, words: list[str]) -> Any:
    from typer.testing import CliRunner

    return CliRunner().invoke(app, words, env={"FILTERKIT_CATALOG": catalog, "COLUMNS": "80"})


def _printed(run: Callable[[typer.Typer, list[str]], Any], hook: Callable[..., Any], words: list[str]) -> str:
    return str(run(_app_of(hook), words).stdout)


def _differs(one: str, other: str) -> str:
    return "" if one == other else "prints something else"


def _try(findings: Findings, example: str, run: Callable[[], Any]) -> str | None:
    """What an example prints; None where it fails."""
    before = _files()
    done = run()
    wrote = _files() != before
    said = f"'{example}'"
    if done.exit_code:
        findings.add(f"{said} ends with exit code {done.exit_code}: {_why(done)}")
        return None
    shown = bool(done.stdout.strip()) or wrote
    findings.hold(shown, f"{said} prints nothing to stdout, and writes no file into the working folder")
    return str(done.stdout)


def _files() -> list[tuple[str, int]]:
    """What is in the working folder, and when it was written."""
    return sorted((path.name, path.stat().st_mtime_ns) for path in Path().iterdir())


def _why(done: Any) -> str:
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return in_words(done.exception)
    return str((done.stderr.strip().splitlines() or ["it says nothing"])[-1])
