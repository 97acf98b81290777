"""What one plugin, or one thing a plugin adds, is and takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import UsageError, closest

if TYPE_CHECKING:
    from filterkit.plugins.offers import Offer
    from filterkit.plugins.protocols import Row
    from filterkit.workbench.base import Bench

PLUGIN = ("kind", "name", "summary", "options", "plugin", "version", "path")
OPTIONS = ("option", "type", "default", "of", "plugin")


def describe(bench: Bench, name: str) -> tuple[tuple[str, ...], list[Row]]:
    """Column names and rows: a plugin's contributions, or the options of one contribution.

    Parameters
    ----------
    name
        A plugin's name (``filterkit.normalizers``), or a contribution's (``percentile``, ``plugin/name``).

    Raises
    ------
    UsageError
        There is neither.
    """
    from filterkit.plugins.discovery import canonical
    from filterkit.plugins.offers import HOOKS

    offers = [offer for kind in HOOKS for offer in bench.registry.offers(kind)]
    wanted = canonical(name)
    if any(canonical(plugin.name) == wanted for plugin in bench.plugins.plugins):
        return PLUGIN, [_offered(offer) for offer in offers if canonical(offer.plugin.name) == wanted]
    found = [offer for offer in offers if name in (offer.name, offer.full_name)]
    if not found:
        known = [plugin.name for plugin in bench.plugins.plugins] + [offer.name for offer in offers]
        raise UsageError(f"no plugin is or adds '{name}'", hint=closest(name, known))
    if not any(offer.options() for offer in found):
        return PLUGIN, [_offered(offer) for offer in found]
    rows: list[Row] = [
        {
            "option": option.name,
            "type": option.type,
            "default": "must be set" if option.required else option.default,
            "of": f"{offer.kind} {offer.name}",
            "plugin": str(offer.plugin),
        }
        for offer in found
        for option in offer.options()
    ]
    return OPTIONS, rows


def _offered(offer: Offer) -> Row:
    return {
        "kind": offer.kind,
        "name": offer.name,
        "summary": offer.contribution.summary,
        "options": [option.name for option in offer.options()],
        "plugin": offer.plugin.name,
        "version": offer.plugin.version,
        "path": offer.plugin.path,
    }
