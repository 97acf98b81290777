"""Environment variables: what they mean, what is used without them, and values that they cannot have."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterkit import settings
from filterkit.errors import UsageError


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CATALOG", "CACHE", "STRICT_PLUGINS", "TRACE_PLUGINS"):
        monkeypatch.delenv(f"FILTERKIT_{name}", raising=False)
    for name in ("BLOCKED", "ONLY", "DIR", "TIMEOUT"):
        monkeypatch.delenv(f"FILTERKIT_PLUGINS_{name}", raising=False)


def test_the_catalog_is_the_chosen_one_then_the_variables_then_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.catalog_location() == "catalog.db"
    monkeypatch.setenv("FILTERKIT_CATALOG", "of/the/variable.db")
    assert settings.catalog_location() == "of/the/variable.db"
    assert settings.catalog_location(Path("chosen.db")) == "chosen.db"
    monkeypatch.setenv("FILTERKIT_CATALOG", "")
    assert settings.catalog_location("") == "catalog.db"


def test_folders_may_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert settings.plugins_folder() is None
    assert settings.cache_folder().name == "filterkit"
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", "~/mine")
    monkeypatch.setenv("FILTERKIT_CACHE", "~/kept")
    assert (settings.plugins_folder(), settings.cache_folder()) == (tmp_path / "mine", tmp_path / "kept")
    monkeypatch.setenv("FILTERKIT_CACHE", "~nobody-of-that-name/kept")
    with pytest.raises(UsageError, match="FILTERKIT_CACHE cannot be '~nobody-of-that-name/kept'"):
        settings.cache_folder()


@pytest.mark.parametrize(("text", "on"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_switches(monkeypatch: pytest.MonkeyPatch, text: str, on: bool) -> None:
    assert not settings.strict_plugins() and not settings.trace_plugins()
    monkeypatch.setenv("FILTERKIT_STRICT_PLUGINS", text)
    monkeypatch.setenv("FILTERKIT_TRACE_PLUGINS", text)
    assert (settings.strict_plugins(), settings.trace_plugins()) == (on, on)


def test_lists_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.blocked_plugins() == settings.only_plugins() == frozenset()
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", " a, b ,,a")
    monkeypatch.setenv("FILTERKIT_PLUGINS_ONLY", ",")
    assert (settings.blocked_plugins(), settings.only_plugins()) == ({"a", "b"}, frozenset())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("", 10), ("0", 0), ("0.5", 0.5), ("86400", 86_400)),
        *((text, None) for text in ("86401", "-1", "soon", "nan", "inf")),
    ],
)
def test_time_for_plugins(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_TIMEOUT", text)
    if seconds is not None:
        assert settings.plugin_timeout() == seconds
    else:
        with pytest.raises(UsageError, match=f"FILTERKIT_PLUGINS_TIMEOUT cannot be '{text}'") as caught:
            settings.plugin_timeout()
        assert "up to 86400" in str(caught.value.hint)
