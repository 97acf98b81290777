"""What is checked: a plugin's object, made as the registry makes it, and what all kinds promise alike."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filterkit.errors import FilterkitError, PluginContractError
from filterkit.plugins import contracts
from filterkit.plugins.contributions import Kind
from filterkit.plugins.options import coerce_options, options_of, parse_spec, to_text
from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import in_words
from filterkit.testing.findings import ConformanceError, Findings

_PLUGIN = Plugin("checked", "0", "checked", "checked")


@dataclass(frozen=True, eq=False)
class Subject:
    """A plugin's object under check.

    Attributes
    ----------
    inner
        The object itself.
    wrapped
        The same behind its contract, as filterkit uses it.
    findings
        What is wrong with it.
    """

    kind: Kind
    inner: Any
    wrapped: Any
    findings: Findings


def subject_of(kind: Kind, given: Any, method: str) -> Subject:
    """Make the object where `given` is a class or another factory, and check what all kinds promise.

    Parameters
    ----------
    method
        One that the object has and its factory lacks, or lacks the `self` for.

    Raises
    ------
    ConformanceError
        If there is no object to go on with.
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
    """A copy of the object through pickle, behind its contract; None, and a finding, where there is none."""
    try:
        copy = pickle.loads(pickle.dumps(subject.inner))
    except Exception as error:
        subject.findings.add(f"cannot be pickled, so no other process can work with it: {in_words(error)}")
        return None
    return dataclasses.replace(subject.wrapped, inner=copy)


def _made(kind: Kind, given: Any, method: str) -> Any:
    if isinstance(given, type) or (callable(given) and not hasattr(given, method)):
        factory: Callable[[], Any] = given
        try:
            return factory()
        except (Exception, SystemExit) as error:
            name = getattr(given, "__name__", repr(given))
            problem = f"cannot be made without options: {in_words(error)}"
            raise ConformanceError(f"{kind} {name}", (problem,)) from error
    return given


def _check_options(findings: Findings, kind: Kind, inner: Any) -> None:
    """The fields of a dataclass are options: a spec string must make an equal object out of them."""
    factory = type(inner)
    if not dataclasses.is_dataclass(factory):
        return
    parameters: Any = factory.__dataclass_params__  # type: ignore[attr-defined]
    findings.hold(parameters.frozen, "is a dataclass that is not frozen, so its options can change")
    try:
        known = options_of(factory)
    except Exception as error:
        findings.add(f"has options whose types cannot be found: {in_words(error)}")
        return
    values = {option.name: getattr(inner, option.name) for option in known}
    for name, value in values.items():
        text = to_text(value)
        spec = f"{kind}:{name}={text}"
        try:
            _, given = parse_spec(spec)
            [back] = coerce_options([o for o in known if o.name == name], given, owner=kind).values()
        except FilterkitError as error:
            why = "; ".join(filter(None, (error.message, error.hint)))
            findings.add(f"has an option that no spec string can set: {name}={text} ({why})")
            continue
        said = f"has an option that a spec string changes: {name}={value!r} becomes {back!r}"
        findings.hold(_same(back, value), said)
    for option in known:
        for choice in option.choices:
            try:
                factory(**{**values, option.name: choice})
            except Exception as error:
                findings.add(
                    f"does not take its own choice {option.name}={to_text(choice)}: {in_words(error)}"
                )
    if values:
        _check_equality(findings, factory, values, inner)


def _check_equality(findings: Findings, factory: type, values: dict[str, Any], inner: Any) -> None:
    try:
        again = factory(**values)
    except Exception as error:
        findings.add(f"cannot be made again from its own options: {in_words(error)}")
        return
    findings.hold(again == inner, "is not equal to another one with the same options")


def _same(one: Any, other: Any) -> bool:
    """Equal, of one type, NaN included."""
    return type(one) is type(other) and repr(one) == repr(other)
