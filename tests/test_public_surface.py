"""Nothing that users and plugins rely on is removed or changed by accident; additions are allowed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from public_surface import SNAPSHOT, public_surface

PROMISED = json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return public_surface()


@pytest.mark.parametrize("part", PROMISED)
def test_nothing_public_is_lost_or_changed(part: str, found: dict[str, Any]) -> None:
    lost = list(differences(PROMISED[part], found.get(part), part))
    assert lost == [], "python tests/public_surface.py takes over a change that was meant"


def differences(promised: Any, found: Any, place: str) -> Iterator[str]:
    """Where `found` lacks or changes something that is promised."""
    if isinstance(promised, dict) and isinstance(found, dict):
        for name, each in promised.items():
            yield from differences(each, found.get(name), f"{place}, {name}")
    elif isinstance(promised, list) and isinstance(found, list):
        yield from (f"{place}: no {each}" for each in promised if each not in found)
    elif promised != found:
        yield f"{place}: {found} for {promised}"


@pytest.mark.parametrize(
    ("promised", "found", "lost"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1, "b": 2}, {"a": 1}, ["x, b: None for 2"]),
        ({"a": {"b": "c"}}, {"a": {"b": "d"}}, ["x, a, b: d for c"]),
        (["a", "b"], ["b", "c", "a"], []),
        (["a", "b"], ["a"], ["x: no b"]),
        (["a"], {"a": 1}, ["x: {'a': 1} for ['a']"]),
    ],
)
def test_more_is_fine_and_less_is_not(promised: Any, found: Any, lost: list[str]) -> None:
    assert list(differences(promised, found, "x")) == lost
