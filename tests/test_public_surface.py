"""Nothing that users and plugins rely on is lost or changed by accident."""

from __future__ import annotations

import json

import pytest
from public_surface import SNAPSHOT, public_surface


@pytest.fixture(scope="module")
def surfaces() -> tuple[dict[str, object], dict[str, object]]:
    return json.loads(SNAPSHOT.read_text(encoding="utf-8")), public_surface()


def test_it_has_the_same_parts(surfaces: tuple[dict[str, object], dict[str, object]]) -> None:
    promised, found = surfaces
    assert promised.keys() == found.keys()


@pytest.mark.parametrize("part", json.loads(SNAPSHOT.read_text(encoding="utf-8")))
def test_nothing_public_has_changed(part: str, surfaces: tuple[dict[str, object], dict[str, object]]) -> None:
    promised, found = surfaces
    assert found[part] == promised[part], "python tests/public_surface.py takes over a change that was meant"
