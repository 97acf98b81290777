"""The group of all commands, and how it reports errors: one line, a hint and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from filterkit.cli.shell import COMMON, print_error, reported_errors
from filterkit.errors import AddressError, UsageError

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
