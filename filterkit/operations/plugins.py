"""List plugins and what they add, and report broken or missing ones with what to do about them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, PluginError, UnknownNameError, UsageError, closest
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.catalog.listings import Maker
    from filterkit.plugins.commands import Command
    from filterkit.plugins.options import Option
    from filterkit.plugins.plugin import Plugin
    from filterkit.plugins.protocols import Row
    from filterkit.plugins.registry import Registration
    from filterkit.session import Session

PLUGIN_COLUMNS = dict.fromkeys(("plugin", "version", "state", "adds", "hooks", "path", "error"), str) | {
    "adds": list[str],
    "hooks": list[str],
}
"""Columns of rows, and the types of their values."""
FAULT_COLUMNS = dict.fromkeys(("plugin", "fault", "where", "remedy"), str)
CONTRIBUTION_COLUMNS = ("kind", "name", "summary", "options", "plugin", "version", "path", "error")
OPTION_COLUMNS = ("option", "type", "default", "of", "plugin", "path")


EVENTS = {
    "filterkit_after_ingest": "Called after each model is added",
    "filterkit_after_observe": "Called after each observation",
}
"""Hooks that contribute nothing, and when they are called."""


def plugin_rows(session: Session, hook: str | None = None) -> Rows:
    """See `Workbench.plugin_rows`."""
    wanted = _hook(hook) if hook else None
    adds = _contributions(session)
    rows: list[Row] = [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "state": plugin.state,
            "adds": adds.get(plugin, []),
            "hooks": list(plugin.hooks),
            "path": plugin.path,
            "error": plugin.error,
        }
        for plugin in session.plugins.plugins
        if wanted is None or wanted in plugin.hooks
    ]
    return Rows(rows, PLUGIN_COLUMNS)


def _hook(name: str) -> str:
    from filterkit.plugins import hookspecs

    known = [each.removeprefix("filterkit_") for each in vars(hookspecs) if each.startswith("filterkit_")]
    wanted = name.replace("-", "_").removeprefix("filterkit_")
    if wanted in known:
        return f"filterkit_{wanted}"
    raise UsageError(f"there is no hook '{name}'", hint=closest(wanted, known))


def plugin_faults(session: Session) -> Rows:
    """See `Workbench.plugin_faults`."""

    _contributions(session)  # calls every hook, to find those that raise
    plugins = session.plugins.plugins
    faults = [row for plugin in plugins for row in _faults(plugin)]
    absent = [
        _fault(name, f"was used for {', '.join(models)}, and is not installed", how_to_restore(name, models))
        for name, models in missing_plugins(session).items()
    ]
    rows = faults + _clashes(session) + absent + _unknown_names({plugin.name for plugin in plugins})
    return Rows(rows, FAULT_COLUMNS)


def _unknown_names(present: set[str]) -> list[Row]:
    from filterkit.plugins.candidate import unknown_names

    return [
        _fault(
            each.name,
            f"{each.variable} names it, but there is no such plugin",
            f"remove the name; {each.hint}",
        )
        for each in unknown_names(present)
    ]


def _fault(plugin: str, fault: str, remedy: str, where: str | None = None) -> Row:
    return {"plugin": plugin, "fault": fault, "where": where, "remedy": remedy}


def _faults(plugin: Plugin) -> list[Row]:
    if plugin.distribution:
        remedy = f"filterkit plugins upgrade {plugin.distribution}, or uninstall it"
    else:
        remedy = "fix the file, or move it away"
    return [
        _fault(plugin.name, f"{plugin.state}: {error}", remedy, where or plugin.path)
        for error, where in zip(plugin.errors, plugin.places, strict=True)
    ]


def _clashes(session: Session) -> list[Row]:
    from filterkit.plugins.registry import HOOKS

    owners: dict[str, list[str]] = {}
    for kind in HOOKS:
        for registration in session.registry.registrations(kind):
            owners.setdefault(f"{kind} '{registration.name}'", []).append(registration.plugin.name)
    return [
        _fault(
            " and ".join(names),
            f"each provides {what}, so the bare name is ambiguous",
            f"write {names[0]}/NAME, or uninstall one of them",
        )
        for what, names in owners.items()
        if len(names) > 1
    ]


def _contributions(session: Session) -> dict[Plugin, list[str]]:
    from filterkit.plugins.commands import commands_of
    from filterkit.plugins.registry import HOOKS

    adds: dict[Plugin, list[str]] = {}  # by plugin, as two may have the same name
    for kind in HOOKS:
        for registration in session.registry.registrations(kind):
            adds.setdefault(registration.plugin, []).append(f"{kind} {registration.name}")
    for plugin in session.plugins.plugins:
        for command in commands_of(session.plugins, plugin):
            adds.setdefault(plugin, []).append(f"command {command.name}")
    return adds


def describe_plugin(session: Session, name: str) -> Rows:
    """See `Workbench.describe_plugin`."""
    with hint_missing_plugins(session):
        columns, rows = _describe(session, name)
    return Rows(rows, columns)


def _describe(session: Session, name: str) -> tuple[tuple[str, ...], list[Row]]:
    """Column names and rows: a plugin's contributions, or the options of one contribution.

    Parameters
    ----------
    name
        The name of a plugin (``filterkit.normalizers``), or of a contribution or command of one
        (``percentile``, ``plugin/name``).

    Raises
    ------
    UnknownNameError
        There is no such plugin, contribution or command.
    PluginError
        The plugin adds nothing because it is blocked or broken.
    """
    from filterkit.plugins.candidate import canonical
    from filterkit.plugins.commands import commands_of
    from filterkit.plugins.discovery import install_hint
    from filterkit.plugins.registry import HOOKS

    registrations = [registration for kind in HOOKS for registration in session.registry.registrations(kind)]
    for plugin in session.plugins.plugins:
        if canonical(plugin.name) == canonical(name):
            return CONTRIBUTION_COLUMNS, _added(
                session,
                plugin,
                [registration for registration in registrations if registration.plugin is plugin],
            )
    found = [
        registration for registration in registrations if name in (registration.name, registration.full_name)
    ]
    commands = [each for plugin in session.plugins.plugins for each in commands_of(session.plugins, plugin)]
    added = [
        _command_row(each) for each in commands if name in (each.name, f"{each.plugin.name}/{each.name}")
    ]
    if not found and not added:
        present = [plugin.name for plugin in session.plugins.plugins]
        known = (
            present
            + [registration.name for registration in registrations]
            + [command.name for command in commands]
        )
        hint = install_hint(name, present) or closest(name, known)
        raise UnknownNameError(f"no installed plugin is or adds '{name}'", name=name, hint=hint)
    if not any(registration.options() for registration in found):
        return CONTRIBUTION_COLUMNS, [*map(_registration_row, found), *added]
    rows: list[Row] = [
        {
            "option": option.name,
            "type": option.type,
            "default": "must be set" if option.required else option.default,
            "of": f"{registration.kind} {registration.name}",
            "plugin": str(registration.plugin),
            "path": registration.path,
        }
        for registration in found
        for option in registration.options()
    ]
    return OPTION_COLUMNS, rows


def _added(session: Session, plugin: Plugin, registrations: list[Registration]) -> list[Row]:
    from filterkit.plugins.commands import commands_of

    rows = [*map(_registration_row, registrations), *map(_command_row, commands_of(session.plugins, plugin))]
    rows += [_contribution(plugin, "hook", *about) for about in EVENTS.items() if about[0] in plugin.hooks]
    if not rows and plugin.state != "loaded":
        raise PluginError(
            f"plugin {plugin} adds nothing: it is {plugin.state}",
            hint=f"{plugin.error or 'by an environment variable'}; {plugin.path}",
        )
    return rows


def _registration_row(registration: Registration) -> Row:
    row = _contribution(
        registration.plugin, registration.kind, registration.name, registration.contribution.summary
    )
    try:
        options, error = [_option(option) for option in registration.options()], None
    except FilterkitError as failure:  # concerns only this one: the plugin's others are still shown
        reason = failure.message.removeprefix(f"plugin {registration.plugin}: ")
        options, error = [], reason.removeprefix(f"{registration.kind} '{registration.name}': ")
    return {**row, "options": options, "path": registration.path, "error": error}


def _command_row(command: Command) -> Row:
    return _contribution(command.plugin, "command", command.name, command.summary)


def _contribution(plugin: Plugin, kind: str, name: str, summary: str) -> Row:
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


def missing_plugins(session: Session) -> dict[str, dict[str, Maker]]:
    """Map each missing plugin to the models that used it; empty if no catalog can be read."""
    from filterkit.catalog.database import catalog_path
    from filterkit.catalog.listings import plugins_of_models

    present = {plugin.name for plugin in session.plugins.plugins}
    try:
        made = plugins_of_models(session.catalog()) if catalog_path(session.location).exists() else {}
    except FilterkitError:
        return {}
    return {name: models for name, models in made.items() if name not in present}


def how_to_restore(name: str, models: dict[str, Maker]) -> str:
    """How to install the version of a plugin that `models` used."""
    from filterkit.plugins.discovery import BROUGHT_BY, from_clone

    if name in BROUGHT_BY.values():
        return from_clone(name)
    version = list(models.values())[-1]["version"]
    if version.startswith("file-"):
        return f"restore {shlex.quote(f'{name}.py')} in the folder FILTERKIT_PLUGINS_DIR"
    distribution = name.partition(".")[0]
    exact = "" if version == "unknown" else f"=={version}"
    return f"filterkit plugins install {shlex.quote(distribution + exact)}"  # untrusted, from the catalog


@contextmanager
def hint_missing_plugins(session: Session) -> Iterator[None]:
    """Add a hint to the error about an unknown name if a missing plugin of the catalog provided it."""
    try:
        yield
    except UnknownNameError as error:
        for name, models in missing_plugins(session).items():
            if error.name in (name, *_provided(name, models)):
                hint = f"{name}, which this catalog was made with, is missing: {how_to_restore(name, models)}"
                raise UnknownNameError(error.message, name=error.name, hint=hint) from None
        raise


def _provided(plugin: str, models: dict[str, Maker]) -> Iterator[str]:
    """The contributions of a plugin that made rows, by name with and without the plugin's."""
    for maker in models.values():
        for spec in maker["made_by"]:
            full_name = spec.partition(":")[0]
            yield full_name
            yield full_name.removeprefix(f"{plugin}/")


def check_new_plugin(session: Session, name: str, kind: str, commands: Iterable[str]) -> None:
    """See `Workbench.check_new_plugin`."""
    from filterkit.catalog.listings import searchable
    from filterkit.plugins.candidate import canonical
    from filterkit.plugins.registry import HOOKS

    for each in session.plugins.plugins:
        if canonical(each.name) == f"filterkit-{name}":
            raise UsageError(
                f"the plugin {each.name} is already installed",
                hint=f"choose another name; filterkit plugins show {each.name} describes it",
            )
    taken: dict[str, set[str]] = {}
    if kind == "command":
        taken["command"] = set(commands)
    for known in HOOKS:
        if known == kind:
            taken[kind] = {registration.name for registration in session.registry.registrations(known)}
    if kind in ("metric", "response-metric"):
        taken["column"] = {column.replace("_", "-") for column in searchable()}
    for what, names in taken.items():
        if name in names:
            article = "an" if what[0] in "aeiou" else "a"
            raise UsageError(f"there is already {article} {what} '{name}'", hint="choose another name")
