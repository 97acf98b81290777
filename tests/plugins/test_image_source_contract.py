"""What a plugin's image source yields, and what reading returns, is checked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from contracts import Make, contract_error

from filterkit.errors import ImageError, PluginError, UsageError
from filterkit.records import SourceImage


class Source:
    def __init__(self, *yielded: Any) -> None:
        self.yielded = yielded

    def images(self, spec: str) -> Any:
        for each in self.yielded:
            yield each() if callable(each) else each


def image(content: Any, **fields: Any) -> SourceImage:
    return SourceImage(fields.pop("name", "a"), content if callable(content) else lambda: content, **fields)


@pytest.mark.parametrize(
    ("yielded", "problem"),
    [
        ("a.png", "yielded a str, not a SourceImage"),
        (image(b"", name=""), "yielded a name that is not a text of 1 to 16,384 characters"),
        (image(b"", name=Path("a")), "yielded a name that is not a text of 1 to 16,384 characters"),
        (image(b"", label="x" * 16385), "yielded a label that is not a text of 1 to 16,384 characters"),
        (image(b"", path="a"), "yielded the path 'a', which is not a pathlib.Path"),
        (SourceImage("a", b""), "yielded 'a' without a function to read it"),  # type: ignore[arg-type]
    ],
)
def test_what_is_yielded(make: Make, yielded: Any, problem: str) -> None:
    source = make("image-source", Source(yielded))
    assert contract_error(lambda: list(source.images(""))) == f"image-source 'mine': images() {problem}"


@pytest.mark.parametrize(
    ("content", "inputs", "problem"),
    [
        ("text", False, "a str for 'a', not bytes or an array"),
        ({"x": np.zeros(2)}, False, "a dict for 'a', not bytes or an array"),
        (b"", True, "a bytes for 'a', not a mapping of arrays"),
        ({}, True, "a dict for 'a', not a mapping of arrays"),
        ({"x": [1]}, True, "a dict for 'a', not a mapping of arrays"),
    ],
)
def test_what_is_read(make: Make, content: Any, inputs: bool, problem: str) -> None:
    [found] = make("image-source", Source(image(content, inputs=inputs))).images("")
    assert contract_error(found.read) == f"image-source 'mine': read() returned {problem}"


def test_right_ones(make: Make) -> None:
    array = np.zeros((2, 3))
    given = image(b"1", label="x", path=Path("a")), image(array), image({"x": array}, inputs=True)
    found = list(make("image-source", Source(*given)).images(""))
    assert [each.read() for each in found][0::2] == [b"1", {"x": array}]
    assert found[1].read() is array
    assert (found[0].label, found[0].path, found[2].inputs) == ("x", Path("a"), True)


def test_exceptions_of_a_picture_do_not_stop_the_others(make: Make) -> None:
    def missing() -> bytes:
        return Path("/nowhere/a").read_bytes()

    errors = (missing, lambda: 1 / 0, lambda: (_ for _ in ()).throw(ImageError("broken")))
    found = list(make("image-source", Source(*(image(each, name="a\nb") for each in errors))).images(""))
    messages = []
    for each in found:
        with pytest.raises(ImageError) as caught:
            each.read()
        messages.append(caught.value.message)
    assert messages == [
        "cannot read a\nb: No such file or directory",
        "cannot read a\nb: plugin filterkit-mine 1.5: ZeroDivisionError: division by zero",
        "broken",
    ]


def test_exceptions_of_the_list_name_the_plugin(make: Make) -> None:
    source = make("image-source", Source(lambda: 1 / 0))
    with pytest.raises(PluginError, match=r"plugin .*image-source 'mine': images\(\): ZeroDivisionError"):
        list(source.images(""))


def test_errors_of_filterkit_are_passed_on(make: Make) -> None:
    def refuse() -> None:
        raise UsageError("there is no such set")

    with pytest.raises(UsageError, match="no such set"):
        list(make("image-source", Source(refuse)).images(""))


def test_incomplete_sources_are_refused(make: Make) -> None:
    problem = contract_error(lambda: make("image-source", SimpleNamespace()))
    assert problem == "image-source 'mine' is a SimpleNamespace, which is not a ImageSource: it lacks images"
