"""Contributions, together with the plugins that provide them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from filterkit.plugins.options import Option, options_of
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import blame, contract_error, kind_of, traced
from filterkit.plugins.source_files import source_file

Kind = Literal["source", "extractor", "normalizer", "renderer", "metric", "format"]

HOOKS: dict[Kind, str] = {
    "source": "filterkit_model_sources",
    "extractor": "filterkit_weight_extractors",
    "normalizer": "filterkit_normalizers",
    "renderer": "filterkit_renderers",
    "metric": "filterkit_metrics",
    "format": "filterkit_output_formats",
}
"""The hook of each kind."""


@dataclass(frozen=True, eq=False)
class Offer:
    """A contribution and the plugin that provides it."""

    kind: Kind
    plugin: Plugin
    contribution: Contribution[Any]

    @property
    def name(self) -> str:
        return self.contribution.name

    @property
    def full_name(self) -> str:
        """``plugin/name``: unambiguous, whatever else is installed."""
        return f"{self.plugin.name}/{self.name}"

    def load(self) -> Callable[..., Any]:
        """Import the factory.

        Raises
        ------
        PluginError
            If it cannot be imported; names the extra to install, if any.
        """
        factory = self.contribution.factory
        if not isinstance(factory, str):
            return factory
        module, _, attribute = factory.partition(":")
        doing = f"{self.kind} '{self.name}'"
        with (
            traced(self.plugin, f"{doing}: import"),
            blame(self.plugin, doing, extra=self.contribution.extra),
        ):
            loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
            return loaded

    @property
    def path(self) -> str | None:
        """The source file of the factory."""
        factory = self.contribution.factory
        module = factory.partition(":")[0] if isinstance(factory, str) else factory.__module__
        return source_file(module) or self.plugin.path

    def options(self) -> tuple[Option, ...]:
        """The options that a spec string can set; imports the factory."""
        factory = self.load()
        with blame(self.plugin, f"{self.kind} '{self.name}'"):
            return options_of(factory)


NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Valid names of contributions and commands."""
_FACTORY = re.compile(r"\w+(\.\w+)*:\w+")


def contributions_of(plugin: Plugin, kind: Kind, returned: Any) -> list[Offer]:
    """Validate the contributions that a hook returned.

    Raises
    ------
    PluginContractError
        If it returned anything else, or a name is used twice.
    """
    hook = HOOKS[kind]
    if not isinstance(returned, Iterable) or isinstance(returned, str | bytes):
        contract_error(plugin, hook, f"returned {kind_of(returned)}, not an iterable of Contribution")
    found = list(returned)
    for each in found:
        if not isinstance(each, Contribution):
            contract_error(plugin, hook, f"returned {kind_of(each)} among its contributions")
        if not isinstance(each.name, str) or not NAME.fullmatch(each.name):
            contract_error(
                plugin,
                hook,
                f"contributes the name {each.name!r}; names are lower-case letters, digits and -",
            )
        if not (
            callable(each.factory) or (isinstance(each.factory, str) and _FACTORY.fullmatch(each.factory))
        ):
            contract_error(plugin, hook, f"contributes '{each.name}' without a callable or a 'module:Class'")
        if not isinstance(each.summary, str):
            contract_error(plugin, hook, f"contributes '{each.name}' without a summary")
        if [other.name for other in found].count(each.name) > 1:
            contract_error(plugin, hook, f"contributes '{each.name}' twice")
    return [Offer(kind, plugin, each) for each in found]
