"""Broken normalizers, and what the check says of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit.normalizers.minmax import MinMax
from filterkit.testing import ConformanceError, check_normalizer

Array = Any


class Good:
    """Everything else here is this one, broken."""

    def normalize(self, values: Array) -> filterkit.Normalized:
        return MinMax().normalize(values)


class Sigmoid(Good):
    """Overflows, and hands NaN on."""

    def normalize(self, values: Array) -> filterkit.Normalized:
        return filterkit.Normalized((1 / (1 + np.exp(-values))).astype(np.float32), None, None, None)


class ByHand(Good):
    """The textbook's: fails on constants and on nothing at all."""

    def normalize(self, values: Array) -> filterkit.Normalized:
        low, high = values.min(), values.max()
        return filterkit.Normalized((values - low) / (high - low), float(low), float(high), None)


class InPlace(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        np.clip(values, -1, 1, out=values)
        return super().normalize(values)


class InPlaceWhereItCan(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        if values.flags.writeable:
            values[...] = 0
        return super().normalize(values)


class Flat(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        done = super().normalize(values)
        return replace(done, values=done.values.ravel())


class Silent(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), non_finite=0)


class Double(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        done = super().normalize(values)
        return replace(done, values=done.values.astype(np.float64))


class Liar(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), centre=0.5, vmin=1.0, vmax=0.0)


class HalfARange(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), vmax=None, centre=7.0)


class Dice(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), summary=str(random.random()))


class ByTheLargest(Good):
    """Scaled by the largest that it has ever seen."""

    largest = 1e-30

    def normalize(self, values: Array) -> filterkit.Normalized:
        finite = np.where(np.isfinite(values), abs(values.astype(np.float64)), 0)
        self.largest = max(self.largest, float(finite.max(initial=0)))
        odd = values.size - int(np.isfinite(values).sum())
        return filterkit.Normalized((finite / self.largest).astype(np.float32), None, None, None, odd)


class Hashed(Good):
    """Says its options in the order of a set."""

    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), summary=" ".join({f"option {n}" for n in range(30)}))


class Counter(Good):
    def __init__(self) -> None:
        self.calls = 0

    def __getstate__(self) -> dict[str, int]:
        return {"calls": 100}

    def normalize(self, values: Array) -> filterkit.Normalized:
        return replace(super().normalize(values), summary="late" if self.calls else "early")


class Talker(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        print(values.shape)
        return super().normalize(values)


class InMemoryOrder(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        done = super().normalize(values)
        second = float(np.nan_to_num(values.ravel(order="K")[1:2]).sum()) % 1
        return replace(done, values=np.full_like(done.values, second), centre=None)


class Quits(Good):
    def normalize(self, values: Array) -> filterkit.Normalized:
        if not values.any():
            raise SystemExit("all zero")
        return super().normalize(values)


@dataclass
class Thawed(Good):
    level: int = 1


@dataclass(frozen=True)
class Unwritable(Good):
    words: str = "a,b"
    ready: tuple[str, ...] = ("a/b",)
    ratios: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Picky(Good):
    per: Literal["layer", "filter"] = "layer"

    def __post_init__(self) -> None:
        if self.per == "filter":
            raise RuntimeError("not yet")


@dataclass(frozen=True, eq=False)
class Unequal(Good):
    level: int = 1


class Litters(Good):
    def normalize(self, values):
        np.save("seen.npy", values)
        return super().normalize(values)


@dataclass(frozen=True)
class Listed(Good):
    steps: list[int] = field(default_factory=list)


class Needy(Good):
    def __init__(self, level: int) -> None:
        self.level = level


@pytest.mark.parametrize("good", [Good, Good(), lambda: Good()])
def test_an_object_a_class_and_a_factory_will_do(good: Any) -> None:
    check_normalizer(good)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Sigmoid, "emits a warning: overflow encountered in exp (with"),
        (
            Sigmoid,
            "normalize() returned values that are not finite or outside [0, 1] (with one NaN, NaN and",
        ),
        (ByHand, "outside [0, 1] (with a single weight, constant weights, all-zero weights and "),
        (ByHand, "normalize() raised ValueError: zero-size array to reduction operation minimum"),
        (InPlace, "writes to its input, which is read-only (with ordinary weights,"),
        (InPlaceWhereItCan, "modifies its input (with a writable input)"),
        (Flat, "normalize() returned shape (108,) for input of shape (4, 3, 3, 3) (with ordinary weights"),
        (Silent, "returned non_finite=0, but 3 values are not finite (with NaN and both infinities"),
        (Double, "returned values of type float64; sheets require float32 (with ordinary weights"),
        (Liar, "returned vmin=1.0 and vmax=0.0, which is not a range"),
        (Liar, "maps zero to a value other than `centre` (with one zero filter)"),
        (HalfARange, "returned only one of vmin and vmax"),
        (HalfARange, "returned centre=7.0, which is outside [0, 1]"),
        (Dice, "returns a different result the second time (with ordinary weights"),
        (ByTheLargest, "returns a different result the second time (with ordinary weights"),
        (Hashed, "returns a different result in another process, with another PYTHONHASHSEED (with ordinary"),
        (Counter, "returns a different result after pickling"),
        (Talker, "prints to stdout, which is reserved for data"),
        (InMemoryOrder, "returns a different result for another memory layout"),
        (Quits, "normalize() raised SystemExit: all zero (with all-zero weights"),
        (Thawed, "is a dataclass that is not frozen"),
        (Unwritable, "has an option that a spec string cannot set: words=a,b ('b' in"),
        (Unwritable, "has an option that a spec string alters: ready=('a/b',) becomes ('a', 'b')"),
        (Unwritable, "has an option that a spec string cannot set: ratios={} (option 'ratios'"),
        (Picky, "rejects its own choice per=filter: RuntimeError: not yet"),
        (Unequal, "is not equal to another one with the same options"),
        (Needy, "cannot be created without options:  TypeError: Needy.__init__() missing 1"),
        (lambda: object(), "is an object, which is not a Normalizer: it lacks normalize"),
        (Litters, "writes files to the working folder:  seen.npy"),
        (Listed, "steps= (option 'steps' of normalizer cannot be ''; expected list[int])"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    assert words in problems(check_normalizer, broken)


def test_what_cannot_be_pickled_is_said() -> None:
    class Local(Good):
        pass

    assert "cannot be pickled for use in other processes" in problems(check_normalizer, Local)


def test_everything_is_said_at_once_and_each_thing_once() -> None:
    with pytest.raises(ConformanceError) as caught:
        check_normalizer(ByHand)
    head, *lines = str(caught.value).splitlines()
    assert head == f"normalizer ByHand fails {len(lines)} checks:"
    assert len(lines) == len(set(lines)) >= 4
    assert isinstance(caught.value, AssertionError)
