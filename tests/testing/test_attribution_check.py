"""The check of attribution methods accepts right ones, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import filterkit
from filterkit.testing import ConformanceError, check_attribution


@dataclass(frozen=True)
class Right:
    power: float = 1.0

    local: ClassVar[Any] = True

    def attribute(self, subject: Any) -> Any:
        return np.abs(subject.gradients(subject.picture[None])[1][0]) ** self.power


class OfLayers:
    local = False

    def attribute(self, subject: Any) -> Any:
        subject.layer()
        return subject.gradients(subject.picture[None])[1][0].sum(axis=0, keepdims=True)


class Whole(Right):
    """The largest value of the whole picture is not that of the receptive field."""

    def attribute(self, subject: Any) -> Any:
        return super().attribute(subject) * float(subject.picture.sum())


class Unclear(Right):
    local = "yes"


class Listed(Right):
    def attribute(self, subject: Any) -> Any:
        return super().attribute(subject).tolist()


class Flat(Right):
    def attribute(self, subject: Any) -> Any:
        return super().attribute(subject).sum(axis=0)


class NotFinite(Right):
    def attribute(self, subject: Any) -> Any:
        found = super().attribute(subject)
        with np.errstate(all="ignore"):
            return found / found.sum()


class Writing(Right):
    def attribute(self, subject: Any) -> Any:
        picture = subject.picture
        picture -= subject.black
        return super().attribute(subject)


class Random(Right):
    def attribute(self, subject: Any) -> Any:
        found = super().attribute(subject)
        return (found + np.random.default_rng().random()).astype(found.dtype)


class Zero(Right):
    def attribute(self, subject: Any) -> Any:
        return np.zeros_like(subject.picture)


class Refusing(Right):
    def attribute(self, subject: Any) -> Any:
        raise filterkit.UsageError("no")


class Raising(Right):
    def attribute(self, subject: Any) -> Any:
        return subject.gradients(subject.picture)


class Noted(Right):
    def attribute(self, subject: Any) -> Any:
        subject.note(3)
        return super().attribute(subject)


def problems(method: Callable[[], Any]) -> tuple[str, ...]:
    with pytest.raises(ConformanceError) as caught:
        check_attribution(method)
    return caught.value.problems


@pytest.mark.parametrize("method", [Right, Right(2.0), OfLayers, OfLayers()])
def test_right_methods(method: Any) -> None:
    check_attribution(method)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Whole, "is local, but returns another attribution of the receptive field when it sees nothing else"),
        (Unclear, "has local='yes', which is neither True nor False"),
        (Listed, "attribute() returned a list, not an array of floats"),
        (Flat, "attribute() returned shape (24, 40) for a picture of shape (3, 24, 40)"),
        (NotFinite, "returned values that are not finite (with a filter that does not respond"),
        (Writing, "writes to its input, which is read-only"),
        (Random, "returns a different attribution the second time"),
        (Zero, "returned zeros for every target"),
        (Refusing, "refuses every target"),
        (Raising, "attribute() raised ValueError: pictures have the shape (N, C, H, W), not (3, 24, 40)"),
        (Noted, "attribute() raised TypeError: a note is a string, not int"),
    ],
)
def test_what_is_wrong(method: Callable[[], Any], words: str) -> None:
    found = problems(method)
    assert any(each.startswith(words) for each in found), found
