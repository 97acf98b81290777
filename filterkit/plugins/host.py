"""The plugin host: loads each plugin by itself and calls hooks one plugin at a time.

Each plugin has its own pluggy manager, so that none can shadow another of the same name, register an unknown
hook unnoticed, or lose the results of others when it raises.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from filterkit import FILTERKIT_API, __version__, settings
from filterkit.errors import FilterkitError, PluginError, closest
from filterkit.plugins import hookspecs
from filterkit.plugins.candidate import Candidate, canonical, names_for
from filterkit.plugins.discovery import available
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.report import in_words, traced, warn_once, where
from filterkit.plugins.stdout import stdout_for_data

if TYPE_CHECKING:
    from filterkit.plugins.checked import Checked

BUILT_IN = "filterkit"
"""The name that refers to all built-in plugins."""
DISTRIBUTION = "cnn-filterkit"
"""The distribution of the built-in plugins."""


class PluginHost:
    """The plugins of one workbench. Hosts share no state.

    Parameters
    ----------
    blocked
        Names of plugins not to load; the name of a distribution blocks all its plugins, ``filterkit`` all
        built-in ones.
    only
        Names of the plugins to load in addition to the built-in ones; all if empty.
    timeout
        Seconds after which a plugin that has not returned from its import or a hook is reported; 0 for never.
    strict
        Raise the first fault instead of reporting it.
    report
        Called with one line per fault.
    """

    def __init__(
        self,
        *,
        blocked: Collection[str] = (),
        only: Collection[str] = (),
        timeout: float = 10,
        strict: bool = False,
        report: Callable[[str], None] = warn_once,
    ) -> None:
        self._blocked = {canonical(name) for name in blocked}
        self._only = {canonical(name) for name in only}
        self._timeout = timeout
        self._strict = strict
        self._report = report
        self._plugins: list[Plugin] = []

    def __repr__(self) -> str:
        return f"<PluginHost of {len(self._plugins)} plugins>"

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """All plugins in any state: the built-in ones, then the installed ones."""
        return tuple(self._plugins)

    def add(
        self, plugin: object, *, name: str, version: str = "unknown", distribution: str | None = None
    ) -> Plugin:
        """Add an imported plugin: a module, or an object with hooks."""
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        return self.take(Candidate(name, version, distribution or name, module, lambda: plugin))

    def take(self, candidate: Candidate) -> Plugin:
        """Load and check a plugin. It is listed even if it cannot be used.

        Raises
        ------
        PluginError
            If it cannot be used and the host is strict.
        """
        plugin = Plugin(
            candidate.name, candidate.version, candidate.distribution, candidate.module, candidate.file
        )
        name = canonical(plugin.name)
        taken = any(canonical(other.name) == name for other in self._plugins)
        self._plugins.append(plugin)
        if self._is_blocked(name):
            plugin.state = "blocked"
            return plugin
        with self.guard(plugin):
            if taken:
                raise PluginError(f"another plugin is already named '{plugin.name}'")
            if BUILT_IN in names_for(name) and candidate.distribution != DISTRIBUTION:
                raise PluginError(f"the name '{BUILT_IN}' is reserved for built-in plugins")
            with traced(plugin, "import"):
                loaded = candidate.load()
            check_api(plugin, loaded)
            plugin.manager = hooks_of(plugin, loaded)
            plugin.hooks = tuple(
                sorted(caller.name for caller in plugin.manager.get_hookcallers(loaded) or ())
            )
        return plugin

    def _is_blocked(self, name: str) -> bool:
        names = names_for(name)
        left_out = self._only and BUILT_IN not in names and not names & self._only
        return bool(left_out or names & self._blocked)

    def having(self, hook: str) -> list[Plugin]:
        """The usable plugins that implement a hook."""
        return [plugin for plugin in self._plugins if plugin.manager and hook in plugin.hooks]

    def ask(self, plugin: Plugin, hook: str, **arguments: Any) -> Any:
        """Call a hook of one plugin and return its result; use within `guard`."""
        assert plugin.manager is not None
        with traced(plugin, hook):
            returned = getattr(plugin.manager.hook, hook)(**arguments)
        return returned[0] if returned else None  # pluggy drops None

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook of all plugins that implement it, one after the other."""
        for plugin in self.having(hook):
            with self.guard(plugin, hook):
                self.ask(plugin, hook, **arguments)

    @contextmanager
    def guard(self, plugin: Plugin, doing: str = "") -> Iterator[None]:
        """Run code of a plugin; exceptions are recorded as its `fault` and suppressed.

        Its output goes to stderr. If it has not returned after the timeout, this is reported; it is not
        interrupted.
        """
        try:
            with stdout_for_data(plugin), self._reported_when_slow(plugin, doing):
                yield
        except (Exception, SystemExit) as error:
            self.fault(plugin, doing, error)

    @contextmanager
    def _reported_when_slow(self, plugin: Plugin, doing: str) -> Iterator[None]:
        if not self._timeout or plugin.is_built_in:
            yield
            return
        line = (
            f"filterkit: plugin {plugin}: {doing or 'import'} has not returned after {self._timeout:g} s;"
            f" still waiting (Ctrl-C to stop; to disable it, set FILTERKIT_PLUGINS_BLOCKED={plugin.name})"
        )
        timer = threading.Timer(self._timeout, self._report, [line])
        timer.daemon = True
        try:
            timer.start()  # waits for its thread, so Ctrl-C may arrive here
            yield
        finally:
            timer.cancel()

    def leave_out(self, made: Checked[Any], error: FilterkitError) -> None:
        """Record a `fault` for the plugin of an object that failed and is skipped."""
        self.fault(made.plugin, "", error)

    def fault(self, plugin: Plugin, doing: str, error: BaseException) -> None:
        """Record and report a fault of a plugin.

        Raises
        ------
        PluginError
            If the host is strict.
        """
        text = in_words(error).removeprefix(f"plugin {plugin}: ")
        if not text.startswith(doing):
            text = f"{doing}: {text}"
        plugin.state = "incompatible" if isinstance(error, IncompatiblePlugin) else "failed"
        if self._strict:
            raise PluginError(f"plugin {plugin} {plugin.state}: {text}") from error
        if text not in plugin.errors:
            plugin.errors.append(text)
            plugin.places.append(where(error, plugin.package))
            self._report(f"filterkit: plugin {plugin} {plugin.state}: {text}")


def load_plugins(
    *,
    built_in: bool = True,
    discover: bool = True,
    candidates: Iterable[Candidate] | None = None,
    report: Callable[[str], None] = warn_once,
    strict: bool | None = None,
) -> PluginHost:
    """A host with the built-in plugins (unless `built_in` is false) and the available ones (`discover`).

    Blocked plugins, the timeout and, unless `strict` is given, whether faults raise come from the environment
    (see `filterkit.settings`). Unknown names there are reported if all plugins are loaded.

    Parameters
    ----------
    candidates
        Plugins to load instead of all available ones.

    Raises
    ------
    UsageError
        If an environment variable has an invalid value.
    PluginError
        If a plugin cannot be used and faults raise.
    """
    host = PluginHost(
        blocked=settings.blocked_plugins(),
        only=settings.only_plugins(),
        timeout=settings.plugin_timeout(),
        strict=settings.strict_plugins() if strict is None else strict,
        report=report,
    )
    if built_in:
        from filterkit.plugins.builtins import BUILTINS

        for name, plugin in BUILTINS.items():
            host.add(plugin, name=name, version=__version__, distribution=DISTRIBUTION)
    if candidates is None:
        candidates = list(available()) if discover else ()
        if built_in and discover:  # before loading any, as a plugin whose name is misspelt here may hang
            from filterkit.plugins.candidate import unknown_names

            names = [*(plugin.name for plugin in host.plugins), *(each.name for each in candidates)]
            for unknown in unknown_names(names):
                report(f"filterkit: {unknown}")
    for candidate in candidates:
        host.take(candidate)
    return host


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
