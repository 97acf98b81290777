"""Check the compatibility of plugins with this version of filterkit."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from filterkit import FILTERKIT_API, __version__
from filterkit.errors import PluginError, closest
from filterkit.plugins import hookspecs

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin


class IncompatiblePlugin(PluginError):
    """A plugin for an incompatible version of filterkit."""


def check_api(plugin: Plugin, loaded: object) -> None:
    """Check the plugin API version in the plugin's module; the default is 1.

    Raises
    ------
    IncompatiblePlugin
        If it differs from that of filterkit.
    """
    module = sys.modules.get(plugin.module)
    api = getattr(loaded, "FILTERKIT_API", getattr(module, "FILTERKIT_API", 1))
    if api != FILTERKIT_API:
        raise IncompatiblePlugin(
            f"requires plugin API {api!r}; filterkit {__version__} provides plugin API {FILTERKIT_API}"
        )


def hooks_of(plugin: Plugin, loaded: object) -> pluggy.PluginManager:
    """A manager for this plugin alone, with its hooks checked against the specifications.

    Raises
    ------
    IncompatiblePlugin
        If it has no hooks, unknown hooks, or hooks with wrong arguments.
    """
    manager = _Manager(hookspecs.PROJECT)
    known = [name for name in vars(hookspecs) if name.startswith("filterkit_")]
    try:
        manager.register(loaded, plugin.name)
        callers = manager.get_hookcallers(loaded) or []
        used = {caller.name: vars(hookspecs)[caller.name] for caller in callers if caller.name in known}
        if used:
            specs = ModuleType("hookspecs")  # only the hooks in use, as preparing each takes time
            vars(specs).update(used)
            manager.add_hookspecs(specs)
    except pluggy.PluginValidationError as error:
        raise IncompatiblePlugin(" ".join(str(error).split())) from error
    for caller in callers:
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise IncompatiblePlugin(f"unknown hook '{caller.name}' ({closest(caller.name, known, limit=1)})")
    if not callers:
        raise IncompatiblePlugin("has no hooks; mark its functions with @filterkit.hookimpl")
    return manager


class _Manager(pluggy.PluginManager):
    """Skips dunder names, which are never hooks, as each check takes time."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> Any:
        return None if name.startswith("__") else super().parse_hookspec_opts(module_or_class, name)
