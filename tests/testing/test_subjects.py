"""Objects under check: made from classes, factories and objects alike, with options that survive as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from filterkit.normalizers.minmax import MinMax
from filterkit.testing.findings import ConformanceError
from filterkit.testing.subjects import pickled, subject_of


class Plain:
    def normalize(self, values: Any) -> Any:
        return MinMax().normalize(values)


@dataclass(frozen=True)
class Optioned(Plain):
    per: Literal["layer", "filter"] = "layer"
    limit: float = 0.1
    names: tuple[str, ...] = ("a", "b")


@dataclass
class Thawed(Plain):
    limit: float = 1.0


@dataclass(frozen=True)
class Picky(Plain):
    per: Literal["layer", "filter"] = "layer"

    def __post_init__(self) -> None:
        if self.per == "filter":
            raise ValueError("not today")


@dataclass(frozen=True, eq=False)
class Unequal(Plain):
    limit: float = 1.0


@dataclass(frozen=True)
class Split(Plain):
    """Of this text nothing is left behind a comma."""

    text: str = "a,b"


def told(given: Any) -> list[str]:
    subject = subject_of("normalizer", given, "normalize")
    with pytest.raises(ConformanceError) as caught:
        subject.findings.conclude()
    return list(caught.value.problems)


@pytest.mark.parametrize("given", [Plain, Plain(), lambda: Plain(), Optioned, MinMax(per="kernel")])
def test_a_class_a_factory_and_an_object(given: Any) -> None:
    subject = subject_of("normalizer", given, "normalize")
    subject.findings.conclude()
    assert subject.inner is given or not hasattr(given, "kind")
    bank = np.random.default_rng(0).random((2, 1, 3, 3), np.float32)
    copy = pickled(subject)
    if given is not None and "<locals>" not in type(subject.inner).__qualname__:
        np.testing.assert_array_equal(copy.normalize(bank).values, subject.wrapped.normalize(bank).values)


def test_what_cannot_be_made_or_is_of_another_kind() -> None:
    class Needy(Plain):
        def __init__(self, needed: int) -> None: ...

    with pytest.raises(ConformanceError, match="normalizer Needy fails 1 check:\n- cannot be created"):
        subject_of("normalizer", Needy, "normalize")
    with pytest.raises(ConformanceError, match="normalizer object fails 1 check"):
        subject_of("normalizer", object(), "normalize")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (Thawed, "is a dataclass that is not frozen"),
        (Picky, "rejects its own choice per=filter: ValueError: not today"),
        (Unequal, "is not equal to another one with the same options"),
        (Split, "has an option that a spec string cannot set: text=a,b"),
    ],
)
def test_options_that_a_spec_string_cannot_carry(given: Any, problem: str) -> None:
    assert any(each.startswith(problem) for each in told(given)), told(given)


def test_what_cannot_be_pickled_is_told() -> None:
    class Local(Plain): ...

    subject = subject_of("normalizer", Local, "normalize")
    assert pickled(subject) is None
    with pytest.raises(ConformanceError, match="cannot be pickled for use in other processes"):
        subject.findings.conclude()
