"""Attribution by one pass back: the gradient, with other rules for Relu, or times the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from filterkit.attribution.subject import Subject
    from filterkit.records import FloatArray


@dataclass(frozen=True)
class Gradient:
    """How much the value changes per unit of each input (Simonyan et al. 2013)."""

    local: ClassVar[bool] = True
    override: ClassVar[str | None] = None

    def attribute(self, subject: Subject) -> FloatArray:
        found: FloatArray = subject.gradients(subject.picture[None], self.override)[1][0]
        return found


@dataclass(frozen=True)
class GradientInput(Gradient):
    """The gradient times the input: the contribution of each input, if the network were linear."""

    def attribute(self, subject: Subject) -> FloatArray:
        return super().attribute(subject) * subject.picture


@dataclass(frozen=True)
class GuidedBackprop(Gradient):
    """As the gradient, but Relu passes only positive gradients (Springenberg et al. 2014).

    Like `Deconvnet`, it hardly depends on the weights of later layers (Adebayo et al. 2018).
    """

    override = "guided"


@dataclass(frozen=True)
class Deconvnet(Gradient):
    """Relu passes the positive gradients, of all values (Zeiler and Fergus 2013)."""

    override = "deconvnet"
