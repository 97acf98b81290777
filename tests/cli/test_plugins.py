"""``filterkit plugins``."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import Run

import filterkit

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

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
    assert first.split()[:3] == ["filterkit.sources", filterkit.__version__, "loaded"]
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
    assert all(row["path"].endswith("percentile.py") for row in options)


def test_types_and_defaults_stand_beside_what_a_plugin_adds(run: Run) -> None:
    rows = {
        row["name"]: row for row in run("plugins", "show", "filterkit.normalizers", "--format", "json").rows
    }
    assert rows["percentile"]["options"][0] == "low (float, default 1.0)"
    assert rows["percentile"]["options"][2] == "per (layer|filter|kernel, default layer)"
    assert rows["minmax"]["path"].endswith("minmax.py")


def test_a_table_leaves_the_files_to_lines_that_nothing_cuts(run: Run) -> None:
    folder = Path(filterkit.__file__).parent / "normalizers"
    ran = run("plugins", "show", "percentile")
    plugin = f"filterkit.normalizers {filterkit.__version__}"
    assert ran.stderr == f"{plugin}\n  {folder / 'percentile.py'}\n"
    assert ran.stdout.splitlines()[0].split() == ["option", "type", "default", "of"]
    ran = run("plugins", "show", "filterkit.normalizers")
    names = ("minmax", "symmetric", "percentile", "zscore")
    assert ran.stderr.splitlines() == [plugin, *(f"  {folder / name}.py ({name})" for name in names)]
    assert ran.stdout.splitlines()[0].split() == ["kind", "name", "summary", "options"]
    quiet = run("plugins", "show", "percentile", "--quiet")
    assert quiet.stderr == ""
    assert str(folder / "percentile.py") in quiet.stdout


def test_what_cannot_be_imported_hides_nothing_else(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mixed.py").write_text(
        "import filterkit\n"
        "from filterkit.normalizers.minmax import MinMax\n"
        "@filterkit.hookimpl\n"
        "def filterkit_normalizers():\n"
        "    yield filterkit.Contribution('fine', 'Fine', MinMax)\n"
        "    yield filterkit.Contribution('lost', 'Lost', 'not_there:Lost')\n"
    )
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path))
    fine, lost = run("plugins", "show", "mixed", "--format", "json").rows
    assert (fine["options"], fine["error"]) == (["per (layer|filter|kernel, default layer)"], None)
    assert (lost["options"], lost["error"]) == ([], "ModuleNotFoundError: No module named 'not_there'")
    ran = run("plugins", "show", "mixed")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[0].split() == ["kind", "name", "summary", "options", "error"]
    assert run("plugins", "show", "lost").failure[0] == 1


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of single-file plugins: a command, a listener, and a broken one."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name in ("largest_command", "ingest_log"):
        shutil.copy(EXAMPLES / f"{name}.py", folder)
    (folder / "broken.py").write_text("import filterkit\nraise RuntimeError('broken')\n")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(folder))
    return folder


def test_plugins_of_a_single_file_are_listed_like_all_others(run: Run, files: Path) -> None:
    rows = {row["plugin"]: row for row in run("plugins", "list", "--format", "json").rows}
    assert rows["largest-command"]["path"] == str(files / "largest_command.py")
    assert rows["largest-command"]["adds"] == ["command largest"]
    assert rows["largest-command"]["version"].startswith("file-")
    assert (rows["broken"]["state"], rows["broken"]["error"]) == ("failed", "RuntimeError: broken")


def test_commands_and_listeners_are_shown(run: Run, files: Path) -> None:
    [row] = run("plugins", "show", "largest-command", "--format", "json").rows
    assert (row["kind"], row["name"]) == ("command", "largest")
    assert row["summary"] == "Show the layers with the most parameters."
    for name in ("largest", "largest-command/largest"):
        assert run("plugins", "show", name, "--format", "json").rows == [row]
    assert run("plugins", "show", "larges").failure[2].startswith("did you mean 'largest'")
    [row] = run("plugins", "show", "ingest-log", "--format", "json").rows
    assert (row["kind"], row["name"]) == ("hook", "filterkit_after_ingest")
    ran = run("plugins", "show", "broken")
    assert ran.exit_code == 1
    assert "adds nothing: it is failed\nhint: RuntimeError: broken; " in ran.stderr


def test_plugins_with_a_hook(run: Run, files: Path) -> None:
    for hook in ("after_ingest", "after-ingest", "filterkit_after_ingest"):
        ran = run("plugins", "list", "--hook", hook, "--format", "json")
        assert [row["plugin"] for row in ran.rows] == ["ingest-log"]
        assert "not loaded, so their hooks are unknown: broken" in ran.stderr
    for wrong, meant in (("comands", "commands"), ("normalizer", "normalizers")):
        assert run("plugins", "list", "--hook", wrong).failure == (
            2,
            f"there is no hook '{wrong}'",
            f"did you mean '{meant}'?",
        )


def test_a_plugin_refused_for_its_name_adds_nothing(run: Run, files: Path) -> None:
    shutil.copy(files / "largest_command.py", files / "largest-command.py")
    rows = run("plugins", "list", "--format", "json").rows
    found = [(row["state"], row["adds"]) for row in rows if row["plugin"] == "largest-command"]
    assert found == [("loaded", ["command largest"]), ("failed", [])]


def test_the_doctor_says_where_a_plugin_broke(run: Run, files: Path) -> None:
    ran = run("plugins", "doctor", "--format", "json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout) == [
        {
            "plugin": "broken",
            "fault": "failed: RuntimeError: broken",
            "where": f"{files / 'broken.py'}:2",
            "remedy": "fix the file, or move it away",
        }
    ]


def test_an_unknown_plugin_name_is_reported_and_harmless(
    run: Run, spawn: Run, files: Path, classic: Path
) -> None:
    (files / "broken.py").unlink()
    misspelt = {"FILTERKIT_PLUGINS_BLOCKED": "ingest_logs"}
    ran = spawn("models", "--format", "json", **misspelt)
    assert [row["model"] for row in ran.rows] == ["classic"]
    hint = "did you mean 'ingest-log'?"
    assert ran.stderr == f"filterkit: FILTERKIT_PLUGINS_BLOCKED: unknown plugin 'ingest_logs' ({hint})\n"
    assert spawn("--help", **misspelt).stderr == ""
    ran = spawn("plugins", "doctor", "--format", "json", **misspelt)
    assert ran.exit_code == 1
    assert json.loads(ran.stdout) == [
        {
            "plugin": "ingest_logs",
            "fault": "FILTERKIT_PLUGINS_BLOCKED names it, but there is no such plugin",
            "where": None,
            "remedy": f"remove the name; {hint}",
        }
    ]


def test_the_doctor_says_what_brings_back_who_made_rows(run: Run, classic: Path) -> None:
    made = {
        "filterkit-gone": {"version": "1.4", "made_by": ["filterkit-gone/x"]},
        "filterkit-many.part": {"version": "unknown", "made_by": ["filterkit-many.part/y"]},
        "filterkit-gabor": {"version": "0.1.0", "made_by": ["filterkit-gabor/gabor"]},
        "mine": {"version": "file-12345678", "made_by": ["mine/z"]},
    }
    with sqlite3.connect(classic) as catalog:
        catalog.execute("update model set plugins = ?", [json.dumps(made)])
    ran = run("plugins", "doctor", "--format", "json")
    assert ran.exit_code == 1
    assert {row["plugin"]: row["remedy"] for row in json.loads(ran.stdout)} == {
        "filterkit-gone": "filterkit plugins install filterkit-gone==1.4",
        "filterkit-many.part": "filterkit plugins install filterkit-many",
        "filterkit-gabor": "in a clone of filterkit, run pip install ./plugins/filterkit-gabor",
        "mine": "restore mine.py in the folder FILTERKIT_PLUGINS_DIR",
    }
    assert "was used for classic" in ran.stdout


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("glow", "filterkit plugins install filterkit-gone==1.4"), ("blur", "restore mine.py in the folder")],
)
def test_contributions_of_a_missing_plugin_are_reported(
    run: Run, classic: Path, name: str, remedy: str
) -> None:
    made = {
        "filterkit-gone": {"version": "1.4", "made_by": ["filterkit-gone/glow:size=3"]},
        "mine": {"version": "file-12345678", "made_by": ["mine/blur"]},
    }
    with sqlite3.connect(classic) as catalog:
        catalog.execute("update model set plugins = ?", [json.dumps(made)])
    plugin = "filterkit-gone" if name == "glow" else "mine"
    for words in (
        ("add", f"{name}:some.net"),
        ("add", f"{name}?size=5"),
        ("add", "classic", "--extractor", f"{name}:size=5"),
        ("add", "classic", "--extractor", f"{plugin}/{name}"),
        ("add", "classic", "--metric", name),
        ("measure", "classic", "--metric", name),
        ("plugins", "show", name),
        ("plugins", "show", plugin),
    ):
        code, _, hint = run(*words).failure
        assert code == 2
        assert hint.startswith(f"{plugin}, which this catalog was made with, is missing: {remedy}"), words


@pytest.mark.skipif(find_spec("filterkit_torch") is not None, reason="it is there")
def test_a_plugin_of_our_own_that_is_not_there_is_no_misspelling(run: Run) -> None:
    install = "in a clone of filterkit, run pip install ./plugins/filterkit-torch"
    for words in (
        ("add", "torch:package:net"),
        *(("plugins", verb, "filterkit-torch") for verb in ("show", "upgrade", "uninstall")),
        ("plugins", "show", "torch"),
    ):
        code, error, hint = run(*words).failure
        brings = "" if "filterkit-torch" in words else "provided by filterkit-torch: "
        assert (code, hint) == (2, brings + install), words
        assert "torch'" in error


@pytest.mark.skipif(find_spec("filterkit_parquet") is not None, reason="it is there")
def test_commands_know_the_plugin_that_brings_them(spawn: Run) -> None:
    assert spawn("export-catalog", "folder").failure == (
        2,
        "no such command 'export-catalog'",
        "provided by filterkit-parquet: in a clone of filterkit, run pip install ./plugins/filterkit-parquet",
    )


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
