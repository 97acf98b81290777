"""``filterkit plugins``."""

from __future__ import annotations

import pytest
from command_line import Run

import filterkit

BUILT_IN = {
    "filterkit.sources",
    "filterkit.extractors",
    "filterkit.normalizers",
    "filterkit.renderers",
    "filterkit.metrics",
    "filterkit.formats",
}


def test_the_built_in_ones_are_listed_like_all_others(run: Run) -> None:
    rows = {row["plugin"]: row for row in run("plugins", "list", "--format", "json").rows}
    assert set(rows) >= BUILT_IN
    assert list(rows["filterkit.formats"]) == ["plugin", "version", "state", "adds", "hooks", "path", "error"]
    assert "normalizer minmax" in rows["filterkit.normalizers"]["adds"]
    assert rows["filterkit.sources"]["hooks"] == ["filterkit_model_sources"]


def test_the_table_has_state_version_and_path(run: Run) -> None:
    head, _, first, *_ = run("plugins").stdout.splitlines()
    assert head.split() == ["plugin", "version", "state", "adds", "path"]
    assert first.startswith(f"filterkit.sources      {filterkit.__version__}    loaded")
    assert first.endswith("builtins.py")


def test_plugins_alone_lists_them(run: Run) -> None:
    assert run("plugins").stdout == run("plugins", "list").stdout != ""
    assert run("plugins", "--format", "json").rows == run("plugins", "list", "--format", "json").rows != []


def test_the_common_options_may_stand_on_either_side_of_list_and_show(run: Run) -> None:
    behind = run("plugins", "show", "percentile", "--format", "csv")
    assert run("plugins", "--format", "csv", "show", "percentile") == behind
    assert run("plugins", "--format", "json", "show", "percentile", "--format", "csv") == behind
    assert run("plugins", "--format", "cvs").failure == (2, "unknown format 'cvs'", "did you mean 'csv'?")


def test_a_plugin_and_what_it_adds(run: Run) -> None:
    rows = run("plugins", "show", "filterkit.renderers", "--format", "json").rows
    assert {row["name"] for row in rows} == {"grid", "mosaic", "terminal"}
    options = run("plugins", "show", "percentile", "--format", "json").rows
    assert {row["option"] for row in options} == {"low", "high", "per"}
    assert {row["of"] for row in options} == {"normalizer percentile"}
    assert all(row["type"] for row in options)


def test_an_unknown_plugin_lists_the_closest(run: Run) -> None:
    code, error, hint = run("plugins", "show", "percentil").failure
    assert code == 2
    assert "percentil" in error
    assert "'percentile'" in hint


def test_all_work(run: Run) -> None:
    ran = run("plugins", "doctor")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "all plugins work\n")
    assert run("plugins", "doctor", "--format", "json").rows == []


@pytest.mark.parametrize("blocked", ["filterkit.metrics", "filterkit.renderers"])
def test_built_in_ones_can_be_blocked(run: Run, monkeypatch: pytest.MonkeyPatch, blocked: str) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", blocked)
    rows = {row["plugin"]: row["state"] for row in run("plugins", "list", "--format", "json").rows}
    assert rows[blocked] == "blocked"
    assert set(rows.values()) == {"loaded", "blocked"}
