"""The source of a plugin, and which hooks it may have, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from filterkit.plugins.candidate import file_of, may_have
from filterkit.plugins.discovery import installed


@pytest.mark.parametrize(
    ("code", "may"),
    [
        ("def filterkit_commands(app): ...", True),
        ("from elsewhere import filterkit_commands", True),
        ("from elsewhere import  *", True),
        ("def filterkit_metrics(): ...", False),
    ],
)
def test_the_source_tells_whether_a_hook_can_be_there(
    install: Callable[..., Path], code: str, may: bool
) -> None:
    install("filterkit-told", code)
    [candidate] = [each for each in installed() if each.name == "filterkit-told"]
    assert may_have(candidate, "filterkit_commands") == may
    assert "filterkit_told" not in sys.modules


def test_in_doubt_a_hook_may_be_there(install: Callable[..., Path]) -> None:
    install("filterkit-object", "plugin = 1", entries={"plugin": "filterkit_object:plugin"})
    install("filterkit-lost", "", entries={"plugin": "not_there"})
    doubtful = [each for each in installed() if each.name in ("filterkit-object", "filterkit-lost")]
    assert [may_have(each, "filterkit_commands") for each in doubtful] == [True, True]


@pytest.mark.parametrize("place", ["filterkit_twice.py", "filterkit_twice/__init__.py"])
def test_the_source_is_the_one_that_python_imports(
    place: str, install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("filterkit-twice", "def filterkit_metrics(): ...")
    checkout = tmp_path / "checkout" / place
    checkout.parent.mkdir(parents=True)
    checkout.write_text("def filterkit_commands(app): ...")
    monkeypatch.syspath_prepend(tmp_path / "checkout")
    [candidate] = [each for each in installed() if each.name == "filterkit-twice"]
    assert file_of(candidate) == str(checkout)
    assert may_have(candidate, "filterkit_commands")


def test_the_source_in_packages_of_several_folders(install: Callable[..., Path], tmp_path: Path) -> None:
    install("filterkit-far", "", entries={"plugin": "shared_name.far.away.plugin"})
    install("filterkit-lost", "", entries={"plugin": "shared_name.far.lost.plugin"})
    (tmp_path / "site" / "shared_name" / "far").mkdir(parents=True)
    away = tmp_path / "checkout" / "shared_name" / "far" / "away" / "plugin.py"
    away.parent.mkdir(parents=True)
    away.write_text("def filterkit_metrics(): ...")
    sys.path.append(str(tmp_path / "checkout"))  # as an editable installation does; `install` takes it away
    found = {each.name: file_of(each) for each in installed()}
    assert (found["filterkit-far"], found["filterkit-lost"]) == (str(away), None)
