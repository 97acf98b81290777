"""Broken image sources, and what the check says of them."""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit.testing import check_image_source

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Good:
    """Levels of gray: ``3`` are three of them."""

    def images(self, spec: str) -> Any:
        if not spec.isdecimal() or len(spec) > 9:
            raise filterkit.UsageError("not a number")
        for level in range(int(spec)):
            yield filterkit.SourceImage(self.name(level), self.reader(level), self.label(level))

    def name(self, level: int) -> Any:
        return f"gray {level}"

    def label(self, level: int) -> str | None:
        return "dark" if level < 2 else None

    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: PIXELS + np.uint8(level)


class Endless(Good):
    def images(self, spec: str) -> Any:
        return (filterkit.SourceImage(f"{n}", lambda: PIXELS) for n in itertools.count())


class SameNames(Good):
    def name(self, level: int) -> Any:
        return "gray"


class NoNames(Good):
    def name(self, level: int) -> Any:
        return None


class OtherEachTime(Good):
    made = 0

    def label(self, level: int) -> str | None:
        OtherEachTime.made += 1
        return str(OtherEachTime.made)


class Unreadable(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: Path("/nowhere").read_bytes()


class Raises(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: 1 / 0


class NoPictures(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: b"no picture"


class Texts(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: "text"


class OnlyOnce(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        contents = iter([PIXELS])
        return lambda: next(contents)


class Changing(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        count = itertools.count()
        return lambda: PIXELS + np.uint8(next(count))


class OneThread(Good):
    def reader(self, level: int) -> Callable[[], Any]:
        return lambda: PIXELS if threading.current_thread() is threading.main_thread() else PIXELS[:2]


class Prints(Good):
    def name(self, level: int) -> Any:
        print("listing")
        return super().name(level)


class Warns(Good):
    def name(self, level: int) -> Any:
        warnings.warn("careful", RuntimeWarning, stacklevel=1)
        return super().name(level)


class Writes(Good):
    def name(self, level: int) -> Any:
        Path("cache").write_text("")
        return super().name(level)


class TakesAnything(Good):
    def images(self, spec: str) -> Any:
        return super().images("2")


class Crashes(Good):
    def images(self, spec: str) -> Any:
        return super().images(str(int(spec)))


def test_good_ones() -> None:
    check_image_source(Good, "3", "300", wrong=["", "x"])
    check_image_source(Good(), "1")
    check_image_source(Endless)
    check_image_source(TakesAnything)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (SameNames, "gives several pictures the same name (with '3')"),
        (NoNames, "images() yielded a name that is not a text of 1 to 16,384 characters (with '3')"),
        (OtherEachTime, "gives pictures other labels the second time (with '3')"),
        (Unreadable, "raised ImageError: cannot read gray 0: No such file or directory (with 'gray 0', '3')"),
        (Raises, "raised ImageError: cannot read gray 0: plugin checked 0: ZeroDivisionError"),
        (NoPictures, "raised ImageError: gray 0 is not a picture but a text file (with 'gray 0')"),
        (Texts, "read() returned a str for 'gray 0', not bytes or an array"),
        (OnlyOnce, "raised ImageError: cannot read gray 0: plugin checked 0: StopIteration"),
        (Changing, "reads something else the second time (with 'gray 0', 'gray 1', 'gray 2')"),
        (OneThread, "reads something else in several threads (with '3')"),
        (Prints, "prints to stdout, which is reserved for data (with '3'"),
        (Warns, "emits a warning: careful"),
        (Writes, "writes files to the working folder"),
        (TakesAnything, "accepts 'x', which is invalid"),
        (Crashes, "images() raised ValueError: invalid literal"),
    ],
)
def test_broken_ones(broken: type, problem: str) -> None:
    assert problem in problems(check_image_source, broken, "3", wrong=["x"])


def test_no_pictures() -> None:
    assert problems(check_image_source, Good, "0") == "finds no pictures (with '0')"


def test_what_is_no_source() -> None:
    assert problems(check_image_source, type("Nothing", (), {})).endswith("it lacks images")
