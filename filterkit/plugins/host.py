"""The plugin host: loads each plugin by itself and calls hooks one plugin at a time.

Every plugin gets a pluggy manager of its own. So none of them can hide another of the same name, bring an
unknown hook in unnoticed, or take the others' results along when it raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filterkit import __version__, settings
from filterkit.errors import FilterkitError, PluginError
from filterkit.plugins.candidate import Candidate, canonical, names_for
from filterkit.plugins.compatibility import IncompatiblePlugin, check_api, hooks_of
from filterkit.plugins.discovery import available
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.report import in_words, traced, warn_once, where
from filterkit.plugins.stdout import stdout_for_data

if TYPE_CHECKING:
    from filterkit.plugins.checked import Checked

BUILT_IN = "filterkit"
"""What all that is built in is called where plugins are named."""
DISTRIBUTION = "cnn-filterkit"
"""What brings it."""


class PluginHost:
    """The plugins of one workbench. Hosts share nothing.

    Parameters
    ----------
    blocked
        Names of plugins not to load; a distribution's name blocks all of its plugins, ``filterkit`` all
        that is built in.
    only
        Names of the plugins to load, beside what is built in; all where it is empty.
    timeout
        Seconds after which a plugin that has not returned from its import or a hook is named; 0 for never.
    strict
        Raise at the first fault instead of reporting it.
    report
        Called with one line per fault; `warn_once` unless another is given.
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

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """All plugins, whatever their state: the built-in ones, then the installed ones."""
        return tuple(self._plugins)

    def add(
        self, plugin: object, *, name: str, version: str = "unknown", distribution: str | None = None
    ) -> Plugin:
        """Take in a plugin that is at hand: a module, or an object with hooks."""
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        return self.take(Candidate(name, version, distribution or name, module, lambda: plugin))

    def take(self, candidate: Candidate) -> Plugin:
        """Load one plugin and check it. It is listed in any case.

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
                raise PluginError(f"there is already a plugin named '{plugin.name}'")
            if BUILT_IN in names_for(name) and candidate.distribution != DISTRIBUTION:
                raise PluginError(f"'{BUILT_IN}' means all that is built in: a plugin needs another name")
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
        """The plugins that have a hook and can be called."""
        return [plugin for plugin in self._plugins if plugin.manager and hook in plugin.hooks]

    def ask(self, plugin: Plugin, hook: str, **arguments: Any) -> Any:
        """What a hook of a plugin returns; to be asked, and looked at, within `guard`."""
        assert plugin.manager is not None
        with traced(plugin, hook):
            returned = getattr(plugin.manager.hook, hook)(**arguments)
        return returned[0] if returned else None  # pluggy leaves None out

    def call(self, hook: str, **arguments: Any) -> None:
        """Call a hook of every plugin that has it, one after the other."""
        for plugin in self.having(hook):
            with self.guard(plugin, hook):
                self.ask(plugin, hook, **arguments)

    @contextmanager
    def guard(self, plugin: Plugin, doing: str = "") -> Iterator[None]:
        """Run code of a plugin: what it raises becomes the plugin's fault and goes no further.

        What it prints goes to stderr. If it has not returned after the timeout, it is named, and waited for.
        """
        try:
            with stdout_for_data(plugin), self._named_when_slow(plugin, doing):
                yield
        except (Exception, SystemExit) as error:
            self.fault(plugin, doing, error)

    @contextmanager
    def _named_when_slow(self, plugin: Plugin, doing: str) -> Iterator[None]:
        if not self._timeout or plugin.is_built_in:
            yield
            return
        line = (
            f"filterkit: plugin {plugin}: {doing or 'import'} has not returned after {self._timeout:g} s;"
            f" waiting (Ctrl-C stops; FILTERKIT_PLUGINS_BLOCKED={plugin.name} goes without it)"
        )
        timer = threading.Timer(self._timeout, self._report, [line])
        timer.daemon = True
        try:
            timer.start()  # waits for its thread: Ctrl-C may come here
            yield
        finally:
            timer.cancel()

    def leave_out(self, made: Checked[Any], error: FilterkitError) -> None:
        """Go on without an object that failed: that is its plugin's `fault`."""
        self.fault(made.plugin, "", error)

    def fault(self, plugin: Plugin, doing: str, error: BaseException) -> None:
        """Count what went wrong as the plugin's fault, and report it.

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
    """A host with the built-in plugins and all that are there, unless `built_in` or `discover` is off.

    Which plugins are blocked and how long they may take comes from the environment (see
    `filterkit.settings`); so does whether a fault raises, unless `strict` says so. Names there that fit no
    plugin are reported, where all plugins are loaded.

    Parameters
    ----------
    candidates
        Take these instead of all that are there.

    Raises
    ------
    UsageError
        A variable of the environment is set to what it cannot be.
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
        if built_in and discover:  # before any is loaded: it may be the misspelt one that hangs
            from filterkit.plugins.candidate import unknown_names

            names = [*(plugin.name for plugin in host.plugins), *(each.name for each in candidates)]
            for unknown in unknown_names(names):
                report(f"filterkit: {unknown}")
    for candidate in candidates:
        host.take(candidate)
    return host
