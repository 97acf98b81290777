"""The contract of gradient rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from filterkit.plugins.checked import Checked
from filterkit.plugins.protocols import GradientRule
from filterkit.plugins.report import kind_of

if TYPE_CHECKING:
    from filterkit.graph.gradient.backward import Backward


class CheckedGradientRule(Checked[GradientRule]):
    @cached_property
    def operators(self) -> tuple[tuple[str, str], ...]:
        return self.inner.operators

    @property
    def well_formed(self) -> bool:
        """Whether its operators are a tuple of pairs of strings, which is not empty."""
        return (
            isinstance(self.operators, tuple)
            and bool(self.operators)
            and all(
                isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
                for pair in self.operators
            )
        )

    def backward(self, step: Backward) -> Sequence[str | None]:
        """See `GradientRule.backward`; checks that it returns names of tensors, at most one per input.

        Errors that the rule raises with `Backward.unsupported` are passed on.
        """
        with self._blame("backward"):
            found = self.inner.backward(step)
        self._require(
            isinstance(found, Sequence) and not isinstance(found, str),
            "backward",
            f"returned {kind_of(found)}, not a sequence of names",
        )
        count = len(step.inputs)
        self._require(
            not any(found[count:]), "backward", f"returned {len(found)} gradients for {count} inputs"
        )
        for name in found:
            self._require(
                name is None or (isinstance(name, str) and step.builder.knows(name)),
                "backward",
                f"returned {name!r}, which is not the name of a tensor",
            )
        return found
