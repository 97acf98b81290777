"""Install, remove and list plugins in a separate environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("verb", ["uninstall", "upgrade"])
def test_only_plugins_are_touched(
    run: Run, verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("plugins", verb, "numpy").failure[:2] == (2, "plugin 'numpy' is not installed")
    info = tmp_path / "site" / "filterkit_lift-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[filterkit]\nplugin = not_there\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert run("plugins", verb, "lift").failure[2] == "did you mean 'filterkit-lift'?"
    code, error, hint = run("plugins", verb, "filterkit.metrics").failure
    assert (code, error) == (2, "'filterkit.metrics' is built in")
    assert "FILTERKIT_PLUGINS_BLOCKED=filterkit.metrics" in hint
    (tmp_path / "mine.py").write_text("")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path))
    assert run("plugins", verb, "mine").failure[:2] == (2, "'mine' is a file, not a package")


def test_options_of_pip_are_no_plugins(run: Run) -> None:
    assert run("plugins", "install", "--", "--pre").failure[:2] == (2, "'--pre' is not a plugin")


def test_an_environment_without_pip_is_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    code, error, hint = run("plugins", "install", "filterkit-thing").failure
    assert (code, error) == (1, f"pip is not installed in {sys.prefix}")
    assert "-m ensurepip" in hint


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        ({"url": "file:///home/me/thing", "dir_info": {"editable": True}}, "-e file:///home/me/thing"),
        ({"url": "file:///home/me/thing", "dir_info": {}}, "filterkit-thing @ file:///home/me/thing"),
        (
            {
                "url": "https://example.org/thing.git",
                "vcs_info": {"vcs": "git", "commit_id": "f00d"},
                "subdirectory": "plugin",
            },
            "filterkit-thing @ git+https://example.org/thing.git@f00d#subdirectory=plugin",
        ),
    ],
)
def test_what_came_from_no_index_is_required_from_where_it_came(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, object], requirement: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    info = tmp_path / "site" / "filterkit_thing-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: filterkit-thing\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[filterkit]\nplugin = not_there\n")
    (info / "direct_url.json").write_text(json.dumps(origin))
    rows = {row["plugin"]: row for row in run("plugins", "requirements", "--format", "json").rows}
    assert rows["filterkit-thing"]["requirement"] == requirement
    assert requirement in run("plugins", "requirements").stdout.splitlines()


def test_single_files_are_noted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("raise RuntimeError")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path))
    assert (
        f"# mine: a file to copy: {tmp_path / 'mine.py'}"
        in run("plugins", "requirements").stdout.splitlines()
    )
