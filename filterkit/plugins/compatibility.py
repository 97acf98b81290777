"""Whether a plugin was made for this filterkit."""

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
    """A plugin that was made for another filterkit."""


def check_api(plugin: Plugin, loaded: object) -> None:
    """A plugin's module may state the API it was written for; to state none means 1.

    Raises
    ------
    IncompatiblePlugin
        It is another than this filterkit's.
    """
    module = sys.modules.get(plugin.module)
    api = getattr(loaded, "FILTERKIT_API", getattr(module, "FILTERKIT_API", 1))
    if api != FILTERKIT_API:
        raise IncompatiblePlugin(
            f"made for plugin API {api!r}; filterkit {__version__} offers plugin API {FILTERKIT_API}"
        )


def hooks_of(plugin: Plugin, loaded: object) -> pluggy.PluginManager:
    """A manager that holds this plugin alone, its hooks checked against the specifications.

    Raises
    ------
    IncompatiblePlugin
        It has none, one that does not exist, or one with other arguments.
    """
    manager = _Manager(hookspecs.PROJECT)
    known = [name for name in vars(hookspecs) if name.startswith("filterkit_")]
    try:
        manager.register(loaded, plugin.name)
        callers = manager.get_hookcallers(loaded) or []
        used = {caller.name: vars(hookspecs)[caller.name] for caller in callers if caller.name in known}
        if used:
            specs = ModuleType("hookspecs")  # of those it uses: each takes a while to prepare
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
    """Looks at no name with two underscores, which nobody marks as a hook: every look takes a while."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> Any:
        return None if name.startswith("__") else super().parse_hookspec_opts(module_or_class, name)
