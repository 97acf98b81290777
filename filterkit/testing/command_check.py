"""Conformance check for commands."""

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

from filterkit.plugins.commands import HOOK, WRONG_ORDER, hidden_commands, misdecorated_commands
from filterkit.plugins.registry import NAME
from filterkit.plugins.report import in_words
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.tiny_models import tiny_catalog


def check_command(commands: Callable[[typer.Typer], None] | Any, *examples: str) -> None:
    """Check the commands that a plugin adds.

    Parameters
    ----------
    commands
        The plugin (a module or an object with the hook ``filterkit_commands``), or the hook itself.
    examples
        Command lines without ``filterkit``, such as ``"glow plain --count 2"``. Each is run twice, in an
        empty folder, with a catalog of all `TINY_MODELS`.

    Raises
    ------
    ConformanceError
        Lists all violations. The hook must add commands, print nothing, and add the same commands each time;
        names must be unique and consist of lower-case letters, digits and ``-``; every command must have a
        docstring and a working ``--help``; every example must succeed, print something or write a file, and
        print the same again, in any order.
    """
    hook = getattr(commands, HOOK, commands)
    findings = Findings(f"{HOOK} of {getattr(commands, '__name__', type(commands).__name__)}")
    app = findings.attempt("", partial(_app_of, hook))
    again = findings.attempt("", partial(_app_of, hook))
    if app is None or again is None:
        findings.conclude()
        return
    names = _names(app)
    findings.require(bool(names), "adds no commands")
    findings.require(names == _names(again), "adds different commands the second time")
    for name in hidden_commands(app):
        findings.add(f"adds the command '{name}' twice; only the last one can be called")
    for name in misdecorated_commands(_built(app)):
        findings.add(f"registers '{name}' before decorating it: {WRONG_ORDER}")
    for name in names:
        is_valid = NAME.fullmatch(name) is not None
        findings.require(is_valid, f"names a command '{name}'; names are lower-case letters, digits and -")
    with _runner(filled=bool(examples)) as run:
        for path, command in _every(app, names):
            quoted = f"'{' '.join(path)}'"
            findings.require(bool(command.help), f"has no docstring for {quoted}")
            done = run(app, [*path, "--help"])
            findings.require(done.exit_code == 0, f"{quoted} --help fails: {_reason(done)}")
        tried: dict[str, tuple[list[str], str]] = {}
        for example in examples:
            words = shlex.split(example)
            if (printed := _try(findings, example, partial(run, app, words))) is not None:
                tried[f"'{example}'"] = words, printed
        check_repeats(findings, hook, None, tried, partial(_printed, run), _differs)
    findings.conclude()


def _app_of(hook: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)  # errors in one line
    app.callback()(lambda: None)  # without a callback, Typer drops the name of a single command
    hook(app=app)
    return app


def _built(app: Any) -> Mapping[str, Any]:
    from typer.main import get_group

    return get_group(app).commands


def _names(app: Any) -> list[str]:
    return list(_built(app))


def _every(app: Any, names: list[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands, including those of groups, with the words that call them."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((name,), _built(app)[name]) for name in names]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        waiting += [((*path, name), each) for name, each in getattr(command, "commands", {}).items()]


@contextmanager
def _runner(*, filled: bool) -> Iterator[Callable[[typer.Typer, list[str]], Any]]:
    """A function that runs a command line in an empty folder, with a default catalog elsewhere."""
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
    return "" if one == other else "prints something different"


def _try(findings: Findings, example: str, run: Callable[[], Any]) -> str | None:
    """The output of an example, or None if it fails."""
    before = _files()
    done = run()
    wrote = _files() != before
    quoted = f"'{example}'"
    if done.exit_code:
        findings.add(f"{quoted} fails with exit code {done.exit_code}: {_reason(done)}")
        return None
    shown = bool(done.stdout.strip()) or wrote
    findings.require(shown, f"{quoted} neither prints to stdout nor writes a file to the working folder")
    return str(done.stdout)


def _files() -> list[tuple[str, int]]:
    """Names and modification times of the files in the working folder."""
    return sorted((path.name, path.stat().st_mtime_ns) for path in Path().iterdir())


def _reason(done: Any) -> str:
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return in_words(done.exception)
    return str((done.stderr.strip().splitlines() or ["no error message"])[-1])
