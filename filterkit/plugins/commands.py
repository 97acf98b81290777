"""Commands that plugins add to the command line.

Each plugin gets a Typer application of its own, which is built by itself; only then do its commands move
over. So half a plugin never stays behind, and none replaces a command that is there.
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
TURNED = "@filterkit.command stands right above the function, below @app.command()"
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]
"""What is told as Typer tells it; of its own Click or another, by its version."""


class Command(NamedTuple):
    """A command that a plugin adds, or a group of them."""

    name: str
    plugin: Plugin
    built: Any
    """As Typer made it, which carries its own Click or imports another, by its version."""

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return (self.built.help or "").strip().partition("\n")[0]


def add_commands(host: PluginHost, group: TyperGroup) -> None:
    """Add the commands of all plugins to `group`.

    A name that filterkit has already, or that several plugins offer, is not given away: each of those
    commands is then ``plugin/name``. Where only plugins share the bare name, it tells so.
    """
    offered: dict[str, list[Command]] = defaultdict(list)
    for plugin in host.plugins:
        for command in commands_of(host, plugin):
            offered[command.name].append(command)
    taken = set(group.commands)
    for name, commands in offered.items():
        if name not in taken and len(commands) == 1:
            _add(group, name, commands[0].built)
            continue
        for each in commands:
            _add(group, f"{each.plugin.name}/{name}", each.built)
        if name not in taken:
            _add(group, name, _clash(name, commands))


def commands_of(host: PluginHost, plugin: Plugin) -> list[Command]:
    """The commands that a plugin adds; none where Typer finds one of them wrong, or two have one name."""
    own = typer.Typer()
    if plugin in host.having(HOOK):
        with host.guard(plugin, HOOK):
            host.ask(plugin, HOOK, app=own)
            built = get_group(own).commands  # raises what Typer finds wrong with them
            for name in hidden_commands(own):
                contract_error(plugin, HOOK, f"adds the command '{name}' twice")
            for name in turned_commands(built):
                contract_error(plugin, HOOK, f"gives Typer '{name}' as it was: {TURNED}")
            for name, command in _all(built):
                _write_out(command)
                if command.callback:
                    _like_built_in(command, f"plugin {plugin}: command '{name}'")
            return [Command(name, plugin, each) for name, each in built.items()]
    return []


def _all(commands: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """The commands and groups, and the commands within groups, each by its full name."""
    for name, command in commands.items():
        yield f"{group}{name}", command
        if isinstance(command, TyperGroup):
            yield from _all(command.commands, f"{group}{name} ")


def turned_commands(commands: Mapping[str, Any]) -> list[str]:
    """Those that Typer was given before `filterkit.command` was: they lack its options, and a `Shell`."""
    return [name for name, command in _all(commands) if getattr(command.callback, "takes_shell", False)]


def _write_out(command: Any) -> None:
    """Let help show no control characters."""
    for each in (command, *command.params):
        for words in ("help", "short_help"):
            if isinstance(getattr(each, words, None), str):
                setattr(each, words, plain(getattr(each, words)))


def _like_built_in(command: Any, who: str) -> None:
    """Let it take ``--debug``, and tell in one line what goes wrong in it, and in whose."""
    if not any("--debug" in parameter.opts for parameter in command.params):
        command.params.append(_debug_option())
    callback = command.callback

    @wraps(callback)
    def call(*words: Any, **arguments: Any) -> Any:
        try:
            return callback(*words, **arguments)
        except (FilterkitError, OSError, typer.Exit, typer.Abort, _ClickError):
            raise  # is told as it is
        except Exception as error:
            raise PluginError(f"{who}: {in_words(error)}", hint="--debug shows where") from error

    command.callback = call


@cache
def _debug_option() -> Any:
    app = typer.Typer()

    @app.command("any")
    def with_option(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
        """Has the option."""

    [option] = get_group(app).commands["any"].params
    option.expose_value = False  # it is looked for in all words, before any command is known
    return option


def hidden_commands(app: typer.Typer) -> list[str]:
    """The commands that nobody can call, as later ones have their names; those of groups with the group's."""
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
        elif group.typer_instance:  # a group without a name gives its commands to whom it is added
            yield from _named(group.typer_instance)


def _add(group: TyperGroup, name: str, command: Any) -> None:
    command.name = name
    if not isinstance(command.rich_help_panel, str):
        command.rich_help_panel = "Plugins"
    group.add_command(command)


def _clash(name: str, commands: list[Command]) -> Any:
    """A command that only tells who offers it, whatever it is given."""
    app = typer.Typer()

    @app.command(
        name, hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
    )
    def ambiguous() -> None:
        raise UsageError(
            f"command '{name}' is offered by " + " and ".join(str(each.plugin) for each in commands),
            hint="write " + " or ".join(f"{each.plugin.name}/{name}" for each in commands),
        )

    return get_group(app).commands[name]
