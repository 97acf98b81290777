"""What is known of a plugin: its version, its errors and its file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from filterkit.plugins.plugin import Plugin


def test_a_plugin_is_named_with_its_version() -> None:
    plugin = Plugin("filterkit-mine", "1.5", "filterkit-mine", "mine.inner")
    assert (str(plugin), plugin.package, plugin.is_built_in) == ("filterkit-mine 1.5", "mine", False)
    assert Plugin("filterkit.sources", "1", None, "filterkit.plugins.builtins").is_built_in
    assert not Plugin("filterkit-x", "1", None, "filterkit_x").is_built_in


def test_errors_are_one_line() -> None:
    plugin = Plugin("filterkit-mine", "1.5", None, "mine")
    assert plugin.error is None
    plugin.errors += ["no", "not this either"]
    assert plugin.error == "no; not this either"


def test_the_file_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_imported.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = Plugin("never", "1", None, "never_imported")
    assert plugin.path == str(tmp_path / "never_imported.py")
    assert "never_imported" not in sys.modules
    assert Plugin("never", "1", None, "not_there_at_all").path is None
    assert Plugin("never", "1", None, "never_imported", file="known.py").path == "known.py"
