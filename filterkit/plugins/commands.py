"""Commands that plugins add to the command line.

Each plugin gets a Typer application of its own, which is built once to find its faults; only then do its
commands move over. So half a plugin never stays behind, and none replaces a command that is there.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import typer
from typer.main import get_command_name, get_group, solve_typer_info_defaults
from typer.models import CommandInfo, TyperInfo

from filterkit.errors import UsageError
from filterkit.plugins.faults import breach
from filterkit.plugins.manager import PluginHost
from filterkit.plugins.plugin import Plugin

HOOK = "filterkit_commands"


class Command(NamedTuple):
    """A command that a plugin adds, or a group of them."""

    name: str
    plugin: Plugin
    info: CommandInfo | TyperInfo

    @property
    def summary(self) -> str:
        """The first line of its help."""
        callback = getattr(self.info, "callback", None)
        words = self.info.help if isinstance(self.info.help, str) else getattr(callback, "__doc__", None)
        return (words or "").strip().partition("\n")[0]


def add_commands(host: PluginHost, app: typer.Typer) -> None:
    """Add the commands of all plugins to `app`.

    A name that filterkit has already, or that several plugins offer, is not given away: each of those
    commands is then ``plugin/name``. Where only plugins share the bare name, it tells so.
    """
    offered: dict[str, list[Command]] = defaultdict(list)
    for plugin in host.plugins:
        for command in commands_of(host, plugin):
            offered[command.name].append(command)
    taken = {name for name, _ in _named(app)} if offered else set()
    for name, commands in offered.items():
        if name not in taken and len(commands) == 1:
            _add(app, name, commands[0].info)
            continue
        for each in commands:
            _add(app, f"{each.plugin.name}/{name}", each.info)
        if name not in taken:
            settings = {"ignore_unknown_options": True, "allow_extra_args": True}
            app.command(name, hidden=True, context_settings=settings)(_clash(name, commands))


def commands_of(host: PluginHost, plugin: Plugin) -> list[Command]:
    """The commands that a plugin adds; none where Typer finds one of them wrong, or two have one name."""
    own = typer.Typer()
    if plugin in host.having(HOOK):
        with host.guard(plugin, HOOK):
            host.ask(plugin, HOOK, app=own)
            if own.registered_commands or own.registered_groups:
                get_group(own)  # raises what Typer finds wrong with them
            for name in hidden_commands(own):
                breach(plugin, HOOK, f"adds the command '{name}' twice")
            return [Command(name, plugin, info) for name, info in _named(own)]
    return []


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


def _add(app: typer.Typer, name: str, info: CommandInfo | TyperInfo) -> None:
    info = copy.copy(info)
    info.name = name
    if not isinstance(info.rich_help_panel, str):
        info.rich_help_panel = "Plugins"
    if isinstance(info, CommandInfo):
        app.registered_commands.append(info)
    else:
        app.registered_groups.append(info)


def _clash(name: str, commands: list[Command]) -> Callable[[], None]:
    def ambiguous() -> None:
        raise UsageError(
            f"command '{name}' is offered by " + " and ".join(str(each.plugin) for each in commands),
            hint="write " + " or ".join(f"{each.plugin.name}/{name}" for each in commands),
        )

    return ambiguous
