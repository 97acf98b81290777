"""The plugin host: loads each plugin by itself and calls hooks one plugin at a time.

Every plugin gets a pluggy manager of its own. So none of them can hide another of the same name, bring an
unknown hook in unnoticed, or take the others' results along when it raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from filterkit import FILTERKIT_API, __version__, settings
from filterkit.errors import PluginError, closest
from filterkit.plugins import hookspecs
from filterkit.plugins.discovery import Candidate, canonical, installed, may_be_installed, source_file
from filterkit.plugins.faults import in_words

if TYPE_CHECKING:
    import typer

State = Literal["loaded", "blocked", "failed", "incompatible"]


class IncompatiblePlugin(PluginError):
    """A plugin that was made for another filterkit."""


@dataclass(eq=False)
class Plugin:
    """A plugin, loaded or not, and what is known of it.

    Attributes
    ----------
    name
        The distribution's name, or ``distribution.entry`` where a distribution has several plugins.
    state
        ``"loaded"``; ``"blocked"`` by the user; ``"failed"`` to import, or in one of its hooks;
        ``"incompatible"`` with this filterkit.
    errors
        What went wrong, each said once.
    """

    name: str
    version: str
    distribution: str
    module: str
    state: State = "loaded"
    errors: list[str] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    manager: pluggy.PluginManager | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def error(self) -> str | None:
        """All that went wrong, in one line."""
        return "; ".join(self.errors) or None

    @property
    def path(self) -> str | None:
        """The source file; looked for when asked, also where the plugin is not imported."""
        return source_file(self.module)


@cache
def tell(line: str) -> None:
    """Say a line on stderr, once per process, however many hosts find the same fault."""
    print(line, file=sys.stderr)


class PluginHost:
    """The plugins of one workbench. Hosts share nothing.

    Parameters
    ----------
    blocked
        Names of plugins not to load; a distribution's name blocks all of its plugins, ``filterkit`` all
        that is built in.
    strict
        Raise at the first fault instead of reporting it.
    report
        Called with one line per fault; `tell` unless another is given.
    """

    def __init__(
        self,
        *,
        blocked: Iterable[str] = (),
        strict: bool = False,
        report: Callable[[str], None] = tell,
    ) -> None:
        self._blocked = {canonical(name) for name in blocked}
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
        plugin = Plugin(candidate.name, candidate.version, candidate.distribution, candidate.module)
        name = canonical(plugin.name)
        taken = any(canonical(other.name) == name for other in self._plugins)
        self._plugins.append(plugin)
        if {name, name.partition(".")[0]} & self._blocked:
            plugin.state = "blocked"
            return plugin
        with self.guard(plugin):
            if taken:
                raise PluginError(f"there is already a plugin named '{plugin.name}'")
            loaded = candidate.load()
            _check_api(plugin, loaded)
            plugin.manager = _hooks_of(plugin, loaded)
            plugin.hooks = tuple(
                sorted(caller.name for caller in plugin.manager.get_hookcallers(loaded) or ())
            )
        return plugin

    def call(self, hook: str, *, only: Plugin | None = None, **arguments: Any) -> list[tuple[Plugin, Any]]:
        """Call a hook of every plugin that has it (or of one), one after the other.

        Returns
        -------
        list
            Of each plugin that did not raise, what its hook returned.
        """
        results = []
        for plugin in self._plugins:
            if plugin.manager and hook in plugin.hooks and only in (None, plugin):
                with self.guard(plugin, hook):
                    returned = getattr(plugin.manager.hook, hook)(**arguments)
                    results.append((plugin, returned[0] if returned else None))  # pluggy leaves None out
        return results

    def add_commands(self, app: typer.Typer) -> None:
        """Add all plugins' commands to `app`; see `filterkit.plugins.commands`."""
        from filterkit.plugins.commands import add_commands

        add_commands(self, app)

    @contextmanager
    def guard(self, plugin: Plugin, doing: str = "") -> Iterator[None]:
        """Run code of a plugin: what it raises becomes the plugin's fault and goes no further."""
        try:
            yield
        except (Exception, SystemExit) as error:
            self._fault(plugin, doing, error)

    def _fault(self, plugin: Plugin, doing: str, error: BaseException) -> None:
        text = in_words(error).removeprefix(f"plugin {plugin}: ")
        if not text.startswith(doing):
            text = f"{doing}: {text}"
        plugin.state = "incompatible" if isinstance(error, IncompatiblePlugin) else "failed"
        if self._strict:
            raise PluginError(f"plugin {plugin} {plugin.state}: {text}") from error
        if text not in plugin.errors:
            plugin.errors.append(text)
            self._report(f"filterkit: plugin {plugin} {plugin.state}: {text}")


def _check_api(plugin: Plugin, loaded: object) -> None:
    """A plugin's module may state the API it was written for; to state none means 1."""
    module = sys.modules.get(plugin.module)
    api = getattr(loaded, "FILTERKIT_API", getattr(module, "FILTERKIT_API", 1))
    if api != FILTERKIT_API:
        raise IncompatiblePlugin(
            f"made for plugin API {api!r}; filterkit {__version__} offers plugin API {FILTERKIT_API}"
        )


def _hooks_of(plugin: Plugin, loaded: object) -> pluggy.PluginManager:
    """A manager that holds this plugin alone, its hooks checked against the specifications."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    known = [name for name in vars(hookspecs) if name.startswith("filterkit_")]
    try:
        manager.register(loaded, plugin.name)
    except pluggy.PluginValidationError as error:
        raise IncompatiblePlugin(" ".join(str(error).split())) from error
    callers = manager.get_hookcallers(loaded) or []
    for caller in callers:
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise IncompatiblePlugin(f"unknown hook '{caller.name}' ({closest(caller.name, known, limit=1)})")
    if not callers:
        raise IncompatiblePlugin("has no hooks; mark its functions with @filterkit.hookimpl")
    return manager


def load_plugins(
    *,
    built_in: bool = True,
    discover: bool = True,
    report: Callable[[str], None] = tell,
    strict: bool | None = None,
) -> PluginHost:
    """A host with the built-in plugins and all installed ones, unless `built_in` or `discover` is off.

    Which plugins are blocked comes from ``FILTERKIT_PLUGINS_BLOCKED``; whether a fault raises, from
    ``FILTERKIT_STRICT_PLUGINS`` unless `strict` says so.

    Raises
    ------
    PluginError
        If a plugin cannot be used and faults raise.
    """
    host = PluginHost(
        blocked=settings.blocked_plugins(),
        strict=settings.strict_plugins() if strict is None else strict,
        report=report,
    )
    if built_in:
        from filterkit.plugins.builtins import BUILTINS

        for name, plugin in BUILTINS.items():
            host.add(plugin, name=name, version=__version__, distribution="cnn-filterkit")
    if discover and may_be_installed():
        for candidate in installed():
            host.take(candidate)
    return host
