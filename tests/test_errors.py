"""Hints that name what was probably meant."""

from __future__ import annotations

from filterkit.errors import closest


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
