"""Commands that plugins add to the command line.

Each plugin gets its own Typer application, which is built separately before its commands are added.
Therefore, a faulty plugin is never added in part, and none replaces an existing command.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, wraps
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command_name, get_group, solve_typer_info_defaults
from typer.models import CommandInfo, TyperInfo

from filterkit.errors import FilterkitError, PluginError, UsageError, plain
from filterkit.plugins.host import PluginHost
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.report import contract_error, in_words

HOOK = "filterkit_commands"
WRONG_ORDER = "put @filterkit.command directly above the function, below @app.command()"
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]
"""Base class of Click's errors, which Typer reports; Typer bundles Click in some versions."""


class Command(NamedTuple):
    """A command of a plugin, or a group of them."""

    name: str
    plugin: Plugin
    built: Any
    """A Click command; untyped, as Typer bundles Click in some versions."""

    @property
    def summary(self) -> str:
        """The first line of the help."""
        return (self.built.help or "").strip().partition("\n")[0]


def add_commands(host: PluginHost, group: TyperGroup) -> None:
    """Add the commands of all plugins to `group`.

    If a name is taken by filterkit or used by several plugins, these commands are added as ``plugin/name``.
    A bare name shared only by plugins becomes a command that reports the ambiguity.
    """
    by_name: dict[str, list[Command]] = defaultdict(list)
    for plugin in host.plugins:
        for command in commands_of(host, plugin):
            by_name[command.name].append(command)
    taken = set(group.commands)
    for name, commands in by_name.items():
        if name not in taken and len(commands) == 1:
            _add(group, name, commands[0].built)
            continue
        for each in commands:
            _add(group, f"{each.plugin.name}/{name}", each.built)
        if name not in taken:
            _add(group, name, _clash(name, commands))


def commands_of(host: PluginHost, plugin: Plugin) -> list[Command]:
    """The commands of a plugin; none if Typer rejects one of them or a name is used twice."""
    own = typer.Typer()
    if plugin in host.having(HOOK):
        with host.guard(plugin, HOOK):
            host.ask(plugin, HOOK, app=own)
            built = get_group(own).commands  # raises Typer's errors
            for name in hidden_commands(own):
                contract_error(plugin, HOOK, f"adds the command '{name}' twice")
            for name in misdecorated_commands(built):
                contract_error(plugin, HOOK, f"registers '{name}' before decorating it: {WRONG_ORDER}")
            for name, command in _all(built):
                _escape_help(command)
                if command.callback:
                    _report_errors(command, f"plugin {plugin}: command '{name}'")
            return [Command(name, plugin, each) for name, each in built.items()]
    return []


def _all(commands: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """All commands and groups, including nested ones, by full name."""
    for name, command in commands.items():
        yield f"{group}{name}", command
        if isinstance(command, TyperGroup):
            yield from _all(command.commands, f"{group}{name} ")


def misdecorated_commands(commands: Mapping[str, Any]) -> list[str]:
    """Commands registered with Typer before `filterkit.command` was applied, so they lack its options."""
    return [name for name, command in _all(commands) if getattr(command.callback, "takes_shell", False)]


def _escape_help(command: Any) -> None:
    """Escape control characters in help texts."""
    for each in (command, *command.params):
        for attribute in ("help", "short_help"):
            if isinstance(getattr(each, attribute, None), str):
                setattr(each, attribute, plain(getattr(each, attribute)))


def _report_errors(command: Any, who: str) -> None:
    """Add ``--debug``, and report errors in one line that names the plugin."""
    if not any("--debug" in parameter.opts for parameter in command.params):
        command.params.append(_debug_option())
    callback = command.callback

    @wraps(callback)
    def call(*words: Any, **arguments: Any) -> Any:
        try:
            return callback(*words, **arguments)
        except (FilterkitError, OSError, typer.Exit, typer.Abort, _ClickError):
            raise  # reported unchanged
        except Exception as error:
            raise PluginError(f"{who}: {in_words(error)}", hint="use --debug for a traceback") from error

    command.callback = call


@cache
def _debug_option() -> Any:
    app = typer.Typer()

    @app.command("any")
    def with_option(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
        """Carrier of the option."""

    [option] = get_group(app).commands["any"].params
    option.expose_value = False  # parsed from all arguments before the command is known
    return option


def hidden_commands(app: typer.Typer) -> list[str]:
    """Commands that are hidden by later ones of the same name; nested ones with the name of the group."""
    seen: set[str] = set()
    hidden = []
    for name, info in _named(app):
        if name in seen:
            hidden.append(name)
        seen.add(name)
        if isinstance(info, TyperInfo) and info.typer_instance:
            hidden += [f"{name} {each}" for each in hidden_commands(info.typer_instance)]
    return list(dict.fromkeys(hidden))


def _named(app: typer.Typer) -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    for command in app.registered_commands:
        if command.callback:
            yield command.name or get_command_name(command.callback.__name__), command
    for group in app.registered_groups:
        name = solve_typer_info_defaults(group).name
        if name:
            yield name, group
        elif group.typer_instance:  # commands of an unnamed group are added to its parent
            yield from _named(group.typer_instance)


def _add(group: TyperGroup, name: str, command: Any) -> None:
    command.name = name
    if not isinstance(command.rich_help_panel, str):
        command.rich_help_panel = "Plugins"
    group.add_command(command)


def _clash(name: str, commands: list[Command]) -> Any:
    """A command that reports which plugins provide it, whatever its arguments."""
    app = typer.Typer()

    @app.command(
        name, hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
    )
    def ambiguous() -> None:
        raise UsageError(
            f"command '{name}' is provided by " + " and ".join(str(each.plugin) for each in commands),
            hint="write " + " or ".join(f"{each.plugin.name}/{name}" for each in commands),
        )

    return get_group(app).commands[name]
