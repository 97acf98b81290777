"""What a plugin's object is wrapped in: who made it, and how its breaches are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from filterkit.plugins.plugin import Plugin
from filterkit.plugins.protocols import Contribution
from filterkit.plugins.report import blame, contract_error, traced

if TYPE_CHECKING:
    from filterkit.records import FloatArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Checked(Generic[T]):
    """A plugin's object behind its contract.

    Attributes
    ----------
    plugin
        Who made it.
    spec
        Its full name and the options that were set: ``plugin/name:option=value``. Makes the same again.
    """

    kind: str
    plugin: Plugin
    contribution: Contribution[T]
    inner: T
    spec: str

    def __str__(self) -> str:
        return self.spec

    def _doing(self, method: str) -> str:
        return f"{self.kind} '{self.contribution.name}': {method}()"

    @contextmanager
    def _blame(self, method: str) -> Iterator[None]:
        doing = self._doing(method)
        with traced(self.plugin, doing), blame(self.plugin, doing, extra=self.contribution.extra):
            yield

    def _hold(self, fine: bool, method: str, problem: str) -> None:
        if not fine:
            contract_error(self.plugin, self._doing(method), problem)


def read_only(values: FloatArray) -> FloatArray:
    """The same values, which cannot be written to."""
    view = values.view()
    view.flags.writeable = False
    return view
