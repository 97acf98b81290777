"""The Typer application: the built-in commands and those of plugins."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from filterkit.cli.shell import COMMON, print_error, reported_errors
from filterkit.errors import AddressError, FilterkitWarning, UsageError, one_line, plain

# Depending on its version, Typer bundles Click or imports it: take the class from what Typer exports.
_ClickUsageError: type[Exception] = typer.BadParameter.__bases__[0]
LONGEST = 200
"""Limit on messages about unexpected arguments, which may list a whole folder of file names."""

_DEBUG, _WORDS = "filterkit.debug", "filterkit.words"


class OneLineErrors(TyperGroup):
    """The group of all commands, with errors in one line instead of Typer's box or a traceback."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        if not args:  # shows the help, which is not an error
            return super().make_context(info_name, args, *rest, **more)
        debug = "--debug" in args
        with _in_one_line():
            context = super().make_context(info_name, args, *rest, **more)
        context.meta[_DEBUG] = debug
        return context

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        ctx.meta[_WORDS] = tuple(args)
        if name == "help" and self.get_command(ctx, name) is None:
            known = [each for each in args[1:2] if self.get_command(ctx, each)]
            raise UsageError("no such command 'help'", hint=f"`{' '.join(['filterkit', *known, '--help'])}`")
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            from filterkit.plugins.discovery import available, install_hint

            install = install_hint(name, (each.name for each in available()), kind="command")
            if install:
                raise UsageError(f"no such command '{name}'", hint=install)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with reported_errors(debug=ctx.meta.get(_DEBUG, False)), _in_one_line(), _whole_commands(ctx):
            return super().invoke(ctx)


@contextmanager
def _whole_commands(ctx: Any) -> Iterator[None]:
    """Give an error about an address a hint that shows the whole corrected command."""
    try:
        yield
    except AddressError as error:
        from filterkit.workbench import corrected_command

        error.hint = corrected_command(ctx.meta.get(_WORDS, ()), error) or error.hint
        raise


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except _ClickUsageError as error:
        words = str(error.format_message()).replace("Value error, ", "").rstrip(".")  # type: ignore[attr-defined]
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "filterkit"
        hint = f"see {command} --help"
        option = str(getattr(error, "option_name", "")).removeprefix("--")
        if option in COMMON and context and context.parent is None:
            hint = f"put it after the command: filterkit models --{option} …"
        if context and ("issing option '-o'" in words or "extra argument" in words):
            from filterkit.workbench import corrected_command

            hint = corrected_command(context.meta.get(_WORDS, ()), words) or hint
            words = words if len(words) <= LONGEST else f"{words[:LONGEST]}…)"
        print_error(words[:1].lower() + words[1:], hint)
        raise typer.Exit(2) from None


HELP = "Inspect, query, visualize and run the filters of convolutional networks."
COMMANDS = {
    "Start here": ("quickstart", "doctor"),
    "Models": ("zoo", "add", "merge", "measure", "remove"),
    "Query the catalog": ("models", "layers", "filters", "query"),
    "Compare": ("stats", "similar", "connections", "duplicates", "diff"),
    "Draw, run and export": ("show", "maps", "attribute", "visualize", "ablate", "convolve", "export"),
    "Observe pictures": ("observe", "observations", "exemplars", "responses"),
    "Explore in a browser": ("serve", "site"),
}
"""The commands, by panel of the help. Each is a function in a module of the same name."""


def build_app(only: str | None = None) -> typer.Typer:
    """A Typer application with the built-in commands; with `only`, just that one is imported."""
    app = typer.Typer(
        name="filterkit",
        cls=OneLineErrors,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_options)
    for panel, names in COMMANDS.items():
        for name in names:
            if only in (None, name):
                app.command(name, rich_help_panel=panel)(_of_module(name))
    if only in (None, "plugins"):
        app.add_typer(_of_module("plugins"), name="plugins", rich_help_panel="Plugins")
    return app


def _for_users(formatted: Callable[..., str]) -> Callable[..., str]:
    """Format warnings meant for users as one line; escape the text, which may quote a file."""

    def format_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> str:
        if issubclass(category, FilterkitWarning):
            return f"warning: {one_line(str(message))}\n"
        return plain(formatted(message, category, *place, **more))

    return format_warning


def run(argv: list[str] | None = None) -> None:
    """Run one command line; plugins are loaded here only if it may name one of their commands."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed; the next file opened would get its file descriptor
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    warnings.formatwarning = _for_users(warnings.formatwarning)
    words = sys.argv[1:] if argv is None else argv
    first = words[0] if words else None
    built_in = {"plugins", *(name for names in COMMANDS.values() for name in names)}
    group = get_command(build_app(first if first in built_in else None))
    try:
        with reported_errors(debug="--debug" in words):
            if first not in built_in | {"--version"}:
                completing = "_FILTERKIT_COMPLETE" in os.environ  # set by shell completion
                _add_plugin_commands(group, to_show=words in ([], ["--help"], ["-h"]) and not completing)
            group(args=words, prog_name="filterkit")
    except typer.Exit as done:
        sys.exit(done.exit_code)


def _of_module(name: str) -> Any:
    return getattr(importlib.import_module(f"filterkit.cli.{name}"), name)


def _add_plugin_commands(group: Any, *, to_show: bool) -> None:
    """Add the commands of plugins; those cached for the help are enough if they are only `to_show`."""
    from filterkit.plugins.candidate import may_have
    from filterkit.plugins.discovery import available

    found = [candidate for candidate in available() if may_have(candidate, "filterkit_commands")]
    if not found:
        return
    from filterkit.plugins.command_cache import add_remembered, remember

    if to_show and add_remembered(group, found):
        return
    from filterkit.plugins.commands import add_commands  # imports the plugin host, which the cache spares
    from filterkit.plugins.host import load_plugins

    built_in = set(group.commands)
    host = load_plugins(built_in=False, candidates=found)
    add_commands(host, group)
    if to_show and all(plugin.state == "loaded" for plugin in host.plugins):
        remember([each for name, each in group.commands.items() if name not in built_in], found)


def _show_version(wanted: bool) -> None:
    if wanted:
        from filterkit import __version__

        print(f"filterkit {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options of `filterkit` itself."""
