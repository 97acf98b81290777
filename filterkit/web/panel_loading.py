"""Making the panels of plugins: each by itself, and none may keep pages waiting while it is imported."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError, NotFoundError, one_line

if TYPE_CHECKING:
    from filterkit.plugins.panel_contract import CheckedPanel
    from filterkit.plugins.registry import Registration, Registry

IMPORT_SECONDS = 1.0
"""How long pages wait for panels that are being imported, from the first page on."""


@dataclass(frozen=True)
class Offer:
    """A panel of a plugin, made in the background unless it is built in.

    Attributes
    ----------
    name
        What it is called in URLs: ``plugin/name`` if several plugins use the name.
    begun
        When its import began.
    reported
        Whether a fault of it has been reported: as there may be one for every address, only the first is.
    """

    name: str
    registration: Registration
    made: Future[CheckedPanel] = field(default_factory=Future)
    begun: float = field(default_factory=time.monotonic)
    reported: threading.Event = field(default_factory=threading.Event)

    def failure(self, error: FilterkitError) -> str:
        """One line that says which plugin is to blame for what."""
        who = f"panel '{self.registration.name}' of plugin {self.registration.plugin}"
        if isinstance(error, PendingError):
            return f"{who} {error.message}"
        text = one_line(error.message).removeprefix(f"plugin {self.registration.plugin}: ")
        text = text.removeprefix(f"panel '{self.registration.name}'").removeprefix(": ").strip()
        return f"{who} failed: {text}"

    def fault(self, registry: Registry, error: FilterkitError) -> None:
        """Record that it failed.

        Raises
        ------
        PluginError
            If the plugin host is strict.
        """
        if not self.reported.is_set():
            registry.host.fault(self.registration.plugin, "", error)
            self.reported.set()


class PendingError(FilterkitError):
    """A panel that is still being imported."""


def panels(registry: Registry, kind: str) -> Iterator[tuple[Offer, CheckedPanel | FilterkitError]]:
    """The panels of a kind of page, or why they cannot be used: built-in ones, then plugins by name.

    Raises
    ------
    PluginError
        If one cannot be made and the plugin host is strict.
    """
    for offer in _offers(registry):
        panel = _waited(registry, offer)
        if isinstance(panel, FilterkitError) or kind in panel.kinds:
            yield offer, panel


def find(registry: Registry, kind: str, name: str) -> tuple[Offer, CheckedPanel]:
    """The panel that a URL names, for pages of a kind.

    Raises
    ------
    FilterkitError
        It cannot be made; a `NotFoundError` if there is none.
    """
    full = registry.find("panel", name).full_name
    for offer in _offers(registry):
        if offer.registration.full_name == full:
            panel = _waited(registry, offer)
            if isinstance(panel, FilterkitError):
                raise panel
            if kind in panel.kinds:
                return offer, panel
    raise NotFoundError(f"panel '{name}' is not for a {kind}")


@lru_cache(maxsize=4)
def _offers(registry: Registry) -> tuple[Offer, ...]:
    """All panels; those of plugins are imported in threads, as nothing can interrupt an import."""
    found = registry.registrations("panel")
    bare = [each.name for each in found]
    ordered = sorted(found, key=lambda each: "" if each.plugin.is_built_in else each.plugin.name)
    offers = []
    for each in ordered:
        name = each.name if bare.count(each.name) == 1 else each.full_name
        offers.append(Offer(name, each))
        if each.plugin.is_built_in:
            _make(registry, offers[-1])
        else:
            threading.Thread(target=_make, args=(registry, offers[-1]), daemon=True).start()
    return tuple(offers)


def _make(registry: Registry, offer: Offer) -> None:
    try:
        offer.made.set_result(registry.create("panel", offer.registration.full_name))
    except BaseException as error:
        offer.made.set_exception(error)


def _waited(registry: Registry, offer: Offer) -> CheckedPanel | FilterkitError:
    try:
        return offer.made.result(max(0.0, offer.begun + IMPORT_SECONDS - time.monotonic()))
    except TimeoutError:
        if not offer.made.done():
            return PendingError("is still being imported", hint="reload the page in a moment")
        raise
    except FilterkitError as error:
        offer.fault(registry, error)
        return error
