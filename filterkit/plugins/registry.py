"""Look up contributions by kind and name, and create objects from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, overload

from filterkit.errors import UnknownNameError, UsageError, closest
from filterkit.plugins import contracts
from filterkit.plugins.candidate import canonical
from filterkit.plugins.contributions import HOOKS, Kind, Offer, contributions_of
from filterkit.plugins.extractor_contract import CheckedExtractor
from filterkit.plugins.first_party import install_hint
from filterkit.plugins.host import PluginHost
from filterkit.plugins.metric_contract import CheckedMetric
from filterkit.plugins.options import coerce_options, parse_spec, to_text
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import blame


class Registry:
    """The contributions of a host's plugins. Listing imports nothing; hooks are called on first use."""

    def __init__(self, host: PluginHost) -> None:
        self.host = host
        self._offers: dict[Kind, tuple[Offer, ...]] = {}

    def offers(self, kind: Kind) -> tuple[Offer, ...]:
        """All contributions of a kind, by plugin, including ambiguous names."""
        if kind not in self._offers:
            found: list[Offer] = []
            for plugin in self.host.having(HOOKS[kind]):
                with self.host.guard(plugin, HOOKS[kind]):
                    found += contributions_of(plugin, kind, self.host.ask(plugin, HOOKS[kind]))
            self._offers[kind] = tuple(found)
        return self._offers[kind]

    def contributions(self, kind: Kind) -> tuple[Contribution[Any], ...]:
        """All contributions of a kind, without their plugins."""
        return tuple(offer.contribution for offer in self.offers(kind))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Sorted names for users: the bare name, or ``plugin/name`` if several plugins use it."""
        offers = self.offers(kind)
        bare = [offer.name for offer in offers]
        return tuple(sorted(o.name if bare.count(o.name) == 1 else o.full_name for o in offers))

    def find(self, kind: Kind, name: str) -> Offer:
        """Find a contribution by its name, bare or ``plugin/name``.

        Raises
        ------
        UsageError
            If there is none, or if several plugins use the name.
        """
        plugin, _, bare = name.rpartition("/")
        fitting = [
            offer
            for offer in self.offers(kind)
            if offer.name == bare and canonical(plugin) in ("", canonical(offer.plugin.name))
        ]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            owners = " and ".join(str(offer.plugin) for offer in fitting)
            choices = " or ".join(offer.full_name for offer in fitting)
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
        for offer in self.offers("metric"):
            with self.host.guard(offer.plugin):
                made.append(self.create("metric", offer.full_name))
        return made

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
        offer = self.find(kind, name)
        owner = f"{kind} '{offer.name}'"
        wanted = {key: value for key, value in options.items() if value is not None} | given
        values = coerce_options(offer.options(), wanted, owner=owner)
        with blame(offer.plugin, owner, extra=offer.contribution.extra):
            try:
                made = offer.load()(**values)
            except ValueError as error:
                if not values:
                    raise
                raise UsageError(f"{owner}: {error}") from error
        set_options = ",".join(f"{key}={to_text(value)}" for key, value in values.items())
        full_spec = f"{offer.full_name}:{set_options}" if set_options else offer.full_name
        return contracts.checked(kind, offer.plugin, offer.contribution, made, full_spec)
