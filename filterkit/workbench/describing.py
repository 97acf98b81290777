"""What one plugin, or one thing a plugin adds, is and takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, PluginError, UnknownNameError, closest

if TYPE_CHECKING:
    from filterkit.plugins.commands import Command
    from filterkit.plugins.offers import Offer
    from filterkit.plugins.options import Option
    from filterkit.plugins.plugin import Plugin
    from filterkit.plugins.protocols import Row
    from filterkit.workbench.base import Bench

PLUGIN = ("kind", "name", "summary", "options", "plugin", "version", "path", "error")
OPTIONS = ("option", "type", "default", "of", "plugin", "path")


def describe(bench: Bench, name: str) -> tuple[tuple[str, ...], list[Row]]:
    """Column names and rows: a plugin's contributions, or the options of one contribution.

    Parameters
    ----------
    name
        A plugin's name (``filterkit.normalizers``), or that of something it adds, commands among them
        (``percentile``, ``plugin/name``).

    Raises
    ------
    UnknownNameError
        There is neither.
    PluginError
        The plugin adds nothing, because it is blocked or does not work.
    """
    from filterkit.plugins.commands import commands_of
    from filterkit.plugins.discovery import canonical
    from filterkit.plugins.known import how_to_have
    from filterkit.plugins.offers import HOOKS

    offers = [offer for kind in HOOKS for offer in bench.registry.offers(kind)]
    for plugin in bench.plugins.plugins:
        if canonical(plugin.name) == canonical(name):
            return PLUGIN, _added(bench, plugin, [offer for offer in offers if offer.plugin is plugin])
    found = [offer for offer in offers if name in (offer.name, offer.full_name)]
    commands = [each for plugin in bench.plugins.plugins for each in commands_of(bench.plugins, plugin)]
    added = [_command(each) for each in commands if name in (each.name, f"{each.plugin.name}/{each.name}")]
    if not found and not added:
        present = [plugin.name for plugin in bench.plugins.plugins]
        known = present + [offer.name for offer in offers] + [command.name for command in commands]
        hint = how_to_have(name, present) or closest(name, known)
        raise UnknownNameError(f"no installed plugin is or adds '{name}'", name=name, hint=hint)
    if not any(offer.options() for offer in found):
        return PLUGIN, [*map(_offered, found), *added]
    rows: list[Row] = [
        {
            "option": option.name,
            "type": option.type,
            "default": "must be set" if option.required else option.default,
            "of": f"{offer.kind} {offer.name}",
            "plugin": str(offer.plugin),
            "path": offer.path,
        }
        for offer in found
        for option in offer.options()
    ]
    return OPTIONS, rows


def _added(bench: Bench, plugin: Plugin, offers: list[Offer]) -> list[Row]:
    from filterkit.plugins.commands import commands_of

    rows = [*map(_offered, offers), *map(_command, commands_of(bench.plugins, plugin))]
    if "filterkit_after_ingest" in plugin.hooks:
        rows.append(_row(plugin, "hook", "filterkit_after_ingest", "Is told of each model that was added"))
    if not rows and plugin.state != "loaded":
        raise PluginError(
            f"plugin {plugin} adds nothing: it is {plugin.state}",
            hint=f"{plugin.error or 'by a variable'}; {plugin.path}",
        )
    return rows


def _offered(offer: Offer) -> Row:
    row = _row(offer.plugin, offer.kind, offer.name, offer.contribution.summary)
    try:
        options, error = [_option(option) for option in offer.options()], None
    except FilterkitError as failure:  # its own: the plugin's others are shown all the same
        told = failure.message.removeprefix(f"plugin {offer.plugin}: ")
        options, error = [], told.removeprefix(f"{offer.kind} '{offer.name}': ")
    return {**row, "options": options, "path": offer.path, "error": error}


def _command(command: Command) -> Row:
    return _row(command.plugin, "command", command.name, command.summary)


def _row(plugin: Plugin, kind: str, name: str, summary: str) -> Row:
    return {
        "kind": kind,
        "name": name,
        "summary": summary,
        "options": [],
        "plugin": plugin.name,
        "version": plugin.version,
        "path": plugin.path,
        "error": None,
    }


def _option(option: Option) -> str:
    from filterkit.plugins.options import to_text

    default = "must be set" if option.required else f"default {to_text(option.default)}"
    return f"{option.name} ({option.type}, {default})"
