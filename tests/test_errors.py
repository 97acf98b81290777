"""Hints that name what was probably meant."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from filterkit import errors
from filterkit.errors import AddressError, FilterkitError, UnknownNameError, closest

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FilterkitError)
]
MORE = {UnknownNameError: {"name": "x"}, AddressError: {"written": "x", "meant": ["m/x", "n/x"]}}


def lines_of(error: BaseException) -> list[str]:
    return traceback.format_exception_only(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_traceback_shows_the_hint_once_below_the_message(kind: type[FilterkitError]) -> None:
    error = kind("it failed", hint="do this", **MORE.get(kind, {}))
    assert str(error) == error.message == "it failed"
    name = f"{kind.__module__}.{kind.__qualname__}"
    assert lines_of(error) == [f"{name}: it failed\n", "hint: do this\n"]


def test_without_a_hint_there_is_no_note() -> None:
    assert len(lines_of(FilterkitError("it failed"))) == 1
    assert len(lines_of(FilterkitError("it failed", hint=""))) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, *(lambda e, p=p: pickle.loads(pickle.dumps(e, p)) for p in range(2, 6))],
)
def test_copies_and_pickles_keep_everything(kind: type[FilterkitError], again: object) -> None:
    error = kind("it failed", hint="do this", **MORE.get(kind, {}))
    error.add_note("another")
    same = again(error)  # type: ignore[operator]
    assert type(same) is kind
    assert (same.args, vars(same)) == (error.args, vars(error))
    same.add_note("of the copy alone")
    assert lines_of(error)[-1] == "another\n"
    same.__notes__.pop()
    assert lines_of(same) == lines_of(error)
    assert same.exit_code == error.exit_code


class Odd(FilterkitError):
    """An error as a plugin might define it."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} is not {second}", hint="compare them")
        self.first = first


def test_errors_of_plugins_with_other_parameters_are_copied_too() -> None:
    same = pickle.loads(pickle.dumps(Odd(1, 2)))
    assert (str(same), same.hint, same.first) == ("1 is not 2", "compare them", 1)
    assert lines_of(same)[1:] == ["hint: compare them\n"]


def test_a_wrong_address_names_what_was_meant() -> None:
    error = AddressError("no", written="x", meant=["m/x", "n/x"])
    assert error.hint == "did you mean 'm/x' or 'n/x'?"
    assert (error.exit_code, AddressError("no", written="x").hint) == (2, None)
    assert isinstance(error, errors.NotFoundError) and isinstance(error, errors.UsageError)


def test_names_are_close_whatever_their_case() -> None:
    assert closest("VGG16", ["vgg16", "gtcrn"]) == "did you mean 'vgg16'?"
    assert closest("vgg18", ["VGG16", "VGG19", "ResNet50"]) == "did you mean 'VGG19' or 'VGG16'?"
    assert closest("net", ["NET", "net2", "Net"]) == "did you mean 'NET' or 'Net' or 'net2'?"


def test_plugins_are_known_by_the_names_that_users_type() -> None:
    installed = ["filterkit-dense", "filterkit-lift", "filterkit.metrics", "mine"]
    assert closest("lift", installed) == closest("filterkit-lft", ["filterkit-lift"])
    assert closest("lift", installed) == "did you mean 'filterkit-lift'?"
    assert closest("dens", installed) == "did you mean 'filterkit-dense'?"
    assert closest("zzz", installed).startswith("known: ")
    assert closest("filterkit-torch", installed).startswith("known: "), "close to none but for what all share"


def test_where_nothing_is_close_it_lists_what_there_is() -> None:
    assert closest("zzz", ["b", "a"]) == "known: a, b"
    assert closest("zzz", []) == "there are none"
    assert closest("zzz", [f"name{i:02}" for i in range(14)]).endswith(" and 2 more")
