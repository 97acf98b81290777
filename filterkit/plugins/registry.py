"""Look up contributions of plugins by kind and name, and create objects from them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, overload

from filterkit.errors import UnknownNameError, UsageError, closest
from filterkit.plugins import contracts
from filterkit.plugins.attribution_contract import CheckedAttribution
from filterkit.plugins.candidate import canonical, source_file
from filterkit.plugins.contracts import CheckedExtractor
from filterkit.plugins.discovery import install_hint
from filterkit.plugins.gradient_contract import CheckedGradientRule
from filterkit.plugins.host import PluginHost
from filterkit.plugins.image_source_contract import CheckedImageSource
from filterkit.plugins.metric_contract import CheckedMetric
from filterkit.plugins.options import Option, coerce_options, options_of, parse_spec, to_text
from filterkit.plugins.panel_contract import CheckedPanel
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import blame, contract_error, kind_of, traced
from filterkit.plugins.response_metric_contract import CheckedResponseMetric


class Registry:
    """The contributions of a host's plugins. Listing imports nothing; hooks are called on first use."""

    def __init__(self, host: PluginHost) -> None:
        self.host = host
        self._registrations: dict[Kind, tuple[Registration, ...]] = {}
        self._gradient_rules: dict[tuple[str, ...], dict[tuple[str, str], CheckedGradientRule]] = {}

    def __repr__(self) -> str:
        return f"<Registry of the contributions of {len(self.host.plugins)} plugins>"

    def registrations(self, kind: Kind) -> tuple[Registration, ...]:
        """All contributions of a kind, by plugin, including ambiguous names."""
        if kind not in HOOKS:
            raise UsageError(f"there is no kind '{kind}'", hint=closest(str(kind), HOOKS))
        if kind not in self._registrations:
            found: list[Registration] = []
            for plugin in self.host.having(HOOKS[kind]):
                with self.host.guard(plugin, HOOKS[kind]):
                    found += contributions_of(plugin, kind, self.host.ask(plugin, HOOKS[kind]))
            self._registrations[kind] = tuple(found)
        return self._registrations[kind]

    def contributions(self, kind: Kind) -> tuple[Contribution[Any], ...]:
        """All contributions of a kind, without their plugins."""
        return tuple(registration.contribution for registration in self.registrations(kind))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Sorted names for users: the bare name, or ``plugin/name`` if several plugins use it."""
        registrations = self.registrations(kind)
        bare = [registration.name for registration in registrations]
        return tuple(sorted(o.name if bare.count(o.name) == 1 else o.full_name for o in registrations))

    def find(self, kind: Kind, name: str) -> Registration:
        """Find a contribution by its name, bare or ``plugin/name``.

        Raises
        ------
        UsageError
            If there is none, or if several plugins use the name.
        """
        plugin, _, bare = name.rpartition("/")
        fitting = [
            registration
            for registration in self.registrations(kind)
            if registration.name == bare and canonical(plugin) in ("", canonical(registration.plugin.name))
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            owners = " and ".join(str(registration.plugin) for registration in fitting)
            choices = " or ".join(registration.full_name for registration in fitting)
            raise UsageError(f"{kind} '{name}' is provided by {owners}", hint=f"write {choices}")
        hint = self.hint(kind, name, self.names(kind))
        raise UnknownNameError(f"unknown {kind} '{name}'", name=name, hint=hint)

    def hint(self, kind: Kind, name: str, known: Iterable[str]) -> str:
        """A hint for an unknown name: the plugin that provides it, or similar `known` names."""
        plugins = self.host.plugins
        install = install_hint(name, (plugin.name for plugin in plugins), kind=kind)
        absent = [f"{plugin.name} is {plugin.state}" for plugin in plugins if plugin.state != "loaded"]
        return install or "; ".join([closest(name, known), *absent])

    def metrics(self) -> list[CheckedMetric]:
        """All metrics with default options. Failures are recorded as faults of their plugins and skipped."""
        made = []
        for registration in self.registrations("metric"):
            with self.host.guard(registration.plugin):
                made.append(self.create("metric", registration.full_name))
        return made

    def gradient_rules(self, preferred: Iterable[str] = ()) -> dict[tuple[str, str], CheckedGradientRule]:
        """The gradient rule of each operator, by domain and type.

        Parameters
        ----------
        preferred
            Specs of rules that replace all others for their operators.

        Raises
        ------
        UsageError
            Two other rules are for the same operator.
        """
        specs = tuple(preferred)
        if specs in self._gradient_rules:
            return dict(self._gradient_rules[specs])
        named = [self.create("gradient-rule", spec) for spec in specs]
        others = []
        for registration in self.registrations("gradient-rule"):
            with self.host.guard(registration.plugin):
                others.append(self.create("gradient-rule", registration.full_name))
        found = {operator: rule for rule in reversed(named) for operator in rule.operators}
        settled = frozenset(found)
        for rule in others:
            for operator in dict.fromkeys(rule.operators):
                other = found.setdefault(operator, rule)
                if other is not rule and operator not in settled:
                    raise UsageError(
                        f"{other} and {rule} are rules for the same operator, {operator[1]}",
                        hint=f"choose one with --rules, e.g. --rules {rule}",
                    )
        self._gradient_rules[specs] = found
        return dict(found)

    @overload
    def create(self, kind: Literal["source"], spec: str, **options: Any) -> contracts.CheckedSource: ...
    @overload
    def create(self, kind: Literal["extractor"], spec: str, **options: Any) -> CheckedExtractor: ...
    @overload
    def create(
        self, kind: Literal["normalizer"], spec: str, **options: Any
    ) -> contracts.CheckedNormalizer: ...
    @overload
    def create(self, kind: Literal["renderer"], spec: str, **options: Any) -> contracts.CheckedRenderer: ...
    @overload
    def create(self, kind: Literal["metric"], spec: str, **options: Any) -> CheckedMetric: ...
    @overload
    def create(self, kind: Literal["format"], spec: str, **options: Any) -> contracts.CheckedFormat: ...
    @overload
    def create(self, kind: Literal["attribution"], spec: str, **options: Any) -> CheckedAttribution: ...
    @overload
    def create(self, kind: Literal["gradient-rule"], spec: str, **options: Any) -> CheckedGradientRule: ...
    @overload
    def create(self, kind: Literal["image-source"], spec: str, **options: Any) -> CheckedImageSource: ...
    @overload
    def create(
        self, kind: Literal["response-metric"], spec: str, **options: Any
    ) -> CheckedResponseMetric: ...
    @overload
    def create(self, kind: Literal["panel"], spec: str, **options: Any) -> CheckedPanel: ...

    def create(self, kind: Kind, spec: str, **options: Any) -> Any:
        """Create the object that a spec string describes, wrapped to validate what it returns.

        Parameters
        ----------
        kind
            One of `HOOKS`.
        spec
            ``name`` or ``name:option=value,…``.
        options
            Further options, as text or values; None leaves an option unset, and the spec string takes
            precedence. Unknown options are an error, as in the spec string.

        Raises
        ------
        UsageError
            For an unknown name or option, or an invalid value.
        PluginError
            If the plugin cannot be imported or its object cannot be created.
        """
        name, given = parse_spec(spec)
        registration = self.find(kind, name)
        owner = f"{kind} '{registration.name}'"
        wanted = {key: value for key, value in options.items() if value is not None} | given
        values = coerce_options(registration.options(), wanted, owner=owner)
        with blame(registration.plugin, owner, extra=registration.contribution.extra):
            try:
                made = registration.load()(**values)
            except ValueError as error:
                if not values:
                    raise
                raise UsageError(f"{owner}: {error}") from error
        set_options = ",".join(f"{key}={to_text(value)}" for key, value in values.items())
        full_spec = f"{registration.full_name}:{set_options}" if set_options else registration.full_name
        return contracts.checked(kind, registration.plugin, registration.contribution, made, full_spec)


Kind = Literal[
    "source",
    "extractor",
    "normalizer",
    "renderer",
    "metric",
    "format",
    "gradient-rule",
    "attribution",
    "image-source",
    "response-metric",
    "panel",
]

HOOKS: dict[Kind, str] = {
    "source": "filterkit_model_sources",
    "extractor": "filterkit_weight_extractors",
    "normalizer": "filterkit_normalizers",
    "renderer": "filterkit_renderers",
    "metric": "filterkit_metrics",
    "format": "filterkit_output_formats",
    "gradient-rule": "filterkit_gradient_rules",
    "attribution": "filterkit_attributions",
    "image-source": "filterkit_image_sources",
    "response-metric": "filterkit_response_metrics",
    "panel": "filterkit_panels",
}
"""The hook of each kind."""


@dataclass(frozen=True, eq=False)
class Registration:
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


NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\+*")
"""Valid names of contributions and commands."""
_FACTORY = re.compile(r"\w+(\.\w+)*:\w+")


def contributions_of(plugin: Plugin, kind: Kind, returned: Any) -> list[Registration]:
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
                f"contributes the name {each.name!r}; names are lower-case letters, digits, - and a final +",
            )
        if not (
            callable(each.factory) or (isinstance(each.factory, str) and _FACTORY.fullmatch(each.factory))
        ):
            contract_error(plugin, hook, f"contributes '{each.name}' without a callable or a 'module:Class'")
        if not isinstance(each.summary, str):
            contract_error(plugin, hook, f"contributes '{each.name}' without a summary")
        if [other.name for other in found].count(each.name) > 1:
            contract_error(plugin, hook, f"contributes '{each.name}' twice")
    return [Registration(kind, plugin, each) for each in found]
