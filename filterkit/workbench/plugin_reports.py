"""All plugins and what they add; which of them do not work, why, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import UsageError, closest

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin
    from filterkit.plugins.protocols import Row
    from filterkit.workbench.base import Bench

PLUGIN_COLUMNS = ("plugin", "version", "state", "adds", "hooks", "path", "error")
FAULT_COLUMNS = ("plugin", "fault", "where", "remedy")


def plugin_rows(bench: Bench, hook: str | None = None) -> list[Row]:
    """One row per plugin, whatever its state; or per plugin with a `hook`, named with or without its prefix.

    Raises
    ------
    UsageError
        There is no such hook.
    """
    wanted = _hook(hook) if hook else None
    adds = _contributions(bench)
    return [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "state": plugin.state,
            "adds": adds.get(plugin, []),
            "hooks": list(plugin.hooks),
            "path": plugin.path,
            "error": plugin.error,
        }
        for plugin in bench.plugins.plugins
        if wanted is None or wanted in plugin.hooks
    ]


def _hook(name: str) -> str:
    from filterkit.plugins import hookspecs

    known = [each.removeprefix("filterkit_") for each in vars(hookspecs) if each.startswith("filterkit_")]
    wanted = name.replace("-", "_").removeprefix("filterkit_")
    if wanted in known:
        return f"filterkit_{wanted}"
    raise UsageError(f"there is no hook '{name}'", hint=closest(wanted, known))


def plugin_faults(bench: Bench) -> list[Row]:
    """One row per fault of a plugin, clash of names, plugin that made rows and is gone, and wrong setting."""
    from filterkit.workbench.gone import bring_back, gone

    _contributions(bench)  # a hook that raises is found by calling it
    plugins = bench.plugins.plugins
    faults = [row for plugin in plugins for row in _faults(plugin)]
    absent = [
        _fault(name, f"made rows of {', '.join(models)}, and is not installed", bring_back(name, models))
        for name, models in gone(bench).items()
    ]
    return faults + _clashes(bench) + absent + _unknown_names({plugin.name for plugin in plugins})


def _unknown_names(present: set[str]) -> list[Row]:
    from filterkit.plugins.chosen import unknown_names

    return [
        _fault(
            each.name,
            f"{each.variable} names it, and there is no such plugin",
            f"take the name out; {each.hint}",
        )
        for each in unknown_names(present)
    ]


def _fault(plugin: str, fault: str, remedy: str, where: str | None = None) -> Row:
    return {"plugin": plugin, "fault": fault, "where": where, "remedy": remedy}


def _faults(plugin: Plugin) -> list[Row]:
    if plugin.distribution:
        remedy = f"filterkit plugins upgrade {plugin.distribution}, or uninstall it"
    else:
        remedy = "mend the file, or move it away"
    return [
        _fault(plugin.name, f"{plugin.state}: {error}", remedy, where or plugin.path)
        for error, where in zip(plugin.errors, plugin.places, strict=True)
    ]


def _clashes(bench: Bench) -> list[Row]:
    from filterkit.plugins.offers import HOOKS

    owners: dict[str, list[str]] = {}
    for kind in HOOKS:
        for offer in bench.registry.offers(kind):
            owners.setdefault(f"{kind} '{offer.name}'", []).append(offer.plugin.name)
    return [
        _fault(
            " and ".join(names),
            f"each offers {what}, so the bare name means neither",
            f"write {names[0]}/NAME, or uninstall one",
        )
        for what, names in owners.items()
        if len(names) > 1
    ]


def _contributions(bench: Bench) -> dict[Plugin, list[str]]:
    from filterkit.plugins.commands import commands_of
    from filterkit.plugins.offers import HOOKS

    adds: dict[Plugin, list[str]] = {}  # two may have one name
    for kind in HOOKS:
        for offer in bench.registry.offers(kind):
            adds.setdefault(offer.plugin, []).append(f"{kind} {offer.name}")
    for plugin in bench.plugins.plugins:
        for command in commands_of(bench.plugins, plugin):
            adds.setdefault(plugin, []).append(f"command {command.name}")
    return adds
