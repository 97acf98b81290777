"""What a plugin's attribution method returns is checked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from contracts import Make, contract_error

from filterkit.attribution.subject import Subject
from filterkit.errors import PluginError

PICTURE, ENDS = np.zeros((3, 4, 5), np.float32), np.zeros((3, 1, 1), np.float32)
NETWORK: Any = SimpleNamespace(values=None, gradients=None)
SUBJECT = Subject(PICTURE, (0, 0), PICTURE, ENDS, ENDS, NETWORK, "mean", {}, [])


class Method:
    def __init__(self, result: Any, local: Any = False) -> None:
        self.result, self.local = result, local

    def attribute(self, subject: Any) -> Any:
        return self.result(subject) if callable(self.result) else self.result


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "returned None, not an array of floats"),
        ([[1.0]], "returned a list, not an array of floats"),
        (np.zeros((3, 4, 5), int), "returned an array of int64, not an array of floats"),
        (np.zeros((4, 5)), "returned shape (4, 5) for a picture of shape (3, 4, 5)"),
        (np.zeros((2, 4, 5)), "returned shape (2, 4, 5) for a picture of shape (3, 4, 5)"),
    ],
)
def test_what_a_method_returns(make: Make, result: Any, problem: str) -> None:
    method = make("attribution", Method(result))
    assert contract_error(lambda: method.attribute(SUBJECT)) == f"attribution 'mine': attribute() {problem}"


@pytest.mark.parametrize("channels", [1, 3])
def test_right_shapes(make: Make, channels: int) -> None:
    assert make("attribution", Method(np.zeros((channels, 4, 5)))).attribute(SUBJECT).shape[0] == channels


@pytest.mark.parametrize(("local", "found"), [(True, True), (False, False), ("yes", False)])
def test_local(make: Make, local: Any, found: bool) -> None:
    assert make("attribution", Method(None, local)).local is found


def test_errors_name_the_plugin(make: Make) -> None:
    method = make("attribution", Method(lambda _: 1 / 0))
    with pytest.raises(PluginError, match=r"plugin .*attribution 'mine': attribute\(\): ZeroDivisionError"):
        method.attribute(SUBJECT)


@pytest.mark.parametrize("name", ["picture", "whole", "black", "white"])
def test_what_it_gets_is_read_only(make: Make, name: str) -> None:
    def write(subject: Subject) -> Any:
        getattr(subject, name)[:] = 1

    with pytest.raises(PluginError, match=r"attribution 'mine': attribute\(\): ValueError.*read-only"):
        make("attribution", Method(write)).attribute(SUBJECT)
    assert PICTURE.flags.writeable
    assert not PICTURE.any()


def test_notes_are_text(make: Make) -> None:
    method = make("attribution", Method(lambda subject: subject.note(3)))
    with pytest.raises(PluginError, match="a note is a string, not int"):
        method.attribute(SUBJECT)


@pytest.mark.parametrize("ask", ["values", "gradients"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 3, 4, 5)])
def test_pictures_of_a_wrong_shape(make: Make, ask: str, shape: tuple[int, ...]) -> None:
    method = make("attribution", Method(lambda subject: getattr(subject, ask)(np.zeros(shape))))
    with pytest.raises(PluginError, match=r"pictures have the shape \(N, C, H, W\), not \("):
        method.attribute(SUBJECT)


def test_an_object_that_is_none(make: Make) -> None:
    assert "which is not an AttributionMethod: it lacks" in contract_error(
        lambda: make("attribution", SimpleNamespace())
    )
