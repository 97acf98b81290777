"""Base class of the wrappers around objects of plugins, which validate calls and attribute errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import blame, contract_error, traced

if TYPE_CHECKING:
    from filterkit.records import FloatArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Checked(Generic[T]):
    """An object of a plugin, wrapped to enforce its contract.

    Attributes
    ----------
    plugin
        The plugin that provides it.
    spec
        Its full name and the options that were set, ``plugin/name:option=value``; recreates the object.
    """

    kind: str
    plugin: Plugin
    contribution: Contribution[T]
    inner: T
    spec: str

    def __str__(self) -> str:
        return self.spec

    def _call(self, method: str) -> str:
        return f"{self.kind} '{self.contribution.name}': {method}()"

    @contextmanager
    def _blame(self, method: str) -> Iterator[None]:
        doing = self._call(method)
        with traced(self.plugin, doing), blame(self.plugin, doing, extra=self.contribution.extra):
            yield

    def _require(self, condition: bool, method: str, problem: str) -> None:
        if not condition:
            contract_error(self.plugin, self._call(method), problem)


def read_only(values: FloatArray) -> FloatArray:
    """A read-only view of the values."""
    view = values.view()
    view.flags.writeable = False
    return view


def provenance(used: Iterable[object]) -> dict[str, dict[str, Any]]:
    """What the catalog stores of the plugins that make rows: by name, version and what was used of them.

    Objects that come from no plugin are left out.
    """
    checked = [each for each in used if isinstance(each, Checked)]
    versions = {each.plugin.name: each.plugin.version for each in checked}
    return {
        name: {"version": version, "made_by": [each.spec for each in checked if each.plugin.name == name]}
        for name, version in versions.items()
    }
