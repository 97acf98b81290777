"""Objects under check, created as by the registry, and checks common to all kinds."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filterkit.errors import FilterkitError, PluginContractError
from filterkit.plugins import contracts
from filterkit.plugins.options import coerce_options, options_of, parse_spec, to_text
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.registry import Kind
from filterkit.plugins.report import in_words
from filterkit.testing.findings import ConformanceError, Findings

_PLUGIN = Plugin("checked", "0", "checked", "checked")


@dataclass(frozen=True, eq=False)
class Subject:
    """An object of a plugin under check.

    Attributes
    ----------
    inner
        The object itself.
    wrapped
        The object in the wrapper that filterkit uses.
    findings
        Violations found so far.
    """

    kind: Kind
    inner: Any
    wrapped: Any
    findings: Findings


def subject_of(kind: Kind, given: Any, method: str) -> Subject:
    """Create the object if `given` is a class or another factory, and run the checks common to all kinds.

    Parameters
    ----------
    method
        A method of the object, by which an object is distinguished from a factory.

    Raises
    ------
    ConformanceError
        If the object cannot be created or does not implement its protocol.
    """
    inner = _made(kind, given, method)
    name = type(inner).__name__
    offered = getattr(inner, "scheme", name) if kind == "source" else name
    findings = Findings(f"{kind} {name}", prefix=f"plugin {_PLUGIN}: {kind} '{offered}': ")
    contribution: Contribution[Any] = Contribution(offered, "Under check", type(inner))
    try:
        wrapped = contracts.checked(kind, _PLUGIN, contribution, inner, offered)
    except PluginContractError as error:
        problem = error.message.removeprefix(f"plugin {_PLUGIN}: {kind} '{offered}' ")
        raise ConformanceError(findings.subject, (problem,)) from error
    _check_options(findings, kind, inner)
    return Subject(kind, inner, wrapped, findings)


def pickled(subject: Subject) -> Any:
    """A wrapped copy of the object made with pickle; None, and a violation, if it cannot be pickled."""
    try:
        copy = pickle.loads(pickle.dumps(subject.inner))
    except Exception as error:
        subject.findings.add(f"cannot be pickled for use in other processes: {in_words(error)}")
        return None
    return dataclasses.replace(subject.wrapped, inner=copy)


def _made(kind: Kind, given: Any, method: str) -> Any:
    if isinstance(given, type) or (callable(given) and not hasattr(given, method)):
        factory: Callable[[], Any] = given
        try:
            return factory()
        except (Exception, SystemExit) as error:
            name = getattr(given, "__name__", repr(given))
            problem = f"cannot be created without options:  {in_words(error)}"
            raise ConformanceError(f"{kind} {name}", (problem,)) from error
    return given


def _check_options(findings: Findings, kind: Kind, inner: Any) -> None:
    """Check that the options (fields of the dataclass) survive a round trip through a spec string."""
    factory = type(inner)
    if not dataclasses.is_dataclass(factory):
        return
    parameters: Any = factory.__dataclass_params__  # type: ignore[attr-defined]
    findings.require(parameters.frozen, "is a dataclass that is not frozen")
    try:
        known = options_of(factory)
    except Exception as error:
        findings.add(f"has options with unresolvable types: {in_words(error)}")
        return
    values = {option.name: getattr(inner, option.name) for option in known}
    for name, value in values.items():
        text = to_text(value)
        spec = f"{kind}:{name}={text}"
        try:
            _, given = parse_spec(spec)
            [back] = coerce_options([o for o in known if o.name == name], given, owner=kind).values()
        except FilterkitError as error:
            reason = "; ".join(filter(None, (error.message, error.hint)))
            findings.add(f"has an option that a spec string cannot set: {name}={text} ({reason})")
            continue
        problem = f"has an option that a spec string alters: {name}={value!r} becomes {back!r}"
        findings.require(_same(back, value), problem)
    for option in known:
        for choice in option.choices:
            try:
                factory(**{**values, option.name: choice})
            except Exception as error:
                findings.add(f"rejects its own choice {option.name}={to_text(choice)}: {in_words(error)}")
    if values:
        _check_equality(findings, factory, values, inner)


def _check_equality(findings: Findings, factory: type, values: dict[str, Any], inner: Any) -> None:
    try:
        again = factory(**values)
    except Exception as error:
        findings.add(f"cannot be recreated from its own options: {in_words(error)}")
        return
    findings.require(again == inner, "is not equal to another one with the same options")


def _same(one: Any, other: Any) -> bool:
    """Equal and of the same type; NaN equals NaN."""
    return type(one) is type(other) and repr(one) == repr(other)
