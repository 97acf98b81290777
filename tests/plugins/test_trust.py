"""What filterkit promises of plugins that misbehave, case by case (docs/plugins/trust.md lists them).

None breaks a command that does not need it, loses rows of the catalog, or hides its name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_plugins import NAME, OFFERS, Install, made, rows
from typer.testing import CliRunner

from filterkit.cli.app import build_app, run
from filterkit.errors import PluginContractError, PluginError, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import tiny_model

CASES = {
    "an exception at import": ("raise RuntimeError('no')", "failed", "RuntimeError: no"),
    "an exception in a hook": (OFFERS.format(body="1 / 0"), "failed", "ZeroDivisionError"),
    "an exit": ("raise SystemExit(0)", "failed", "SystemExit: 0"),
    "a wrong return": (
        OFFERS.format(body="return 7"),
        "failed",
        "filterkit_normalizers returned an int, not an iterable of Contribution",
    ),
    "a missing dependency": ("import not_there_at_all", "failed", "No module named 'not_there_at_all'"),
    "another API": (
        "FILTERKIT_API = 2\n" + OFFERS.format(body="pass"),
        "incompatible",
        "requires plugin API 2",
    ),
    "words on stdout": ("print('hello')\n" + OFFERS.format(body="print('hello')"), "loaded", None),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_else_breaks_no_row_is_lost_and_the_name_is_told(
    case: str, install: Install, classic_catalog: Path
) -> None:
    code, state, error = CASES[case]
    before = rows(classic_catalog, "filters", "classic")
    source = install(NAME, code, version="0.3")
    assert rows(classic_catalog, "filters", "classic") == before
    is_told(classic_catalog, source, "0.3", state, error)


def is_told(catalog: Path, source: Path, version: str, state: str, error: str | None) -> None:
    """What the list and the doctor say of the plugin of that name that is in a file."""
    [row] = [row for row in rows(catalog, "plugins", "list") if row["path"] == str(source)]
    assert (row["plugin"], row["version"], row["state"]) == (NAME, version, state)
    assert (error or "") in (row["error"] or "")
    ran = CliRunner().invoke(build_app(), ["plugins", "doctor", "--format", "json"])
    faults = [fault for fault in json.loads(ran.stdout) if fault["plugin"] == NAME]
    assert [state in fault["fault"] and fault["where"].startswith(str(source)) for fault in faults] == (
        [True] if error else []
    )


def test_a_mutated_input(install: Install) -> None:
    values = np.ones((1, 1, 2, 2), np.float32)
    with pytest.raises(PluginError, match=rf"plugin {NAME} 1.2: normalizer 'bad': normalize\(\)") as caught:
        made(install, "values[:] = 0").normalize(values)
    assert "must work on a copy" in str(caught.value.hint)
    assert f"FILTERKIT_PLUGINS_BLOCKED={NAME}" in str(caught.value.hint)
    assert values.all()


CHANGING = """
import filterkit
class Bad:
    def extract(self, graph):
        for tensor in graph.model.graph.initializer: tensor.raw_data = bytes(len(tensor.raw_data))
        for node in graph.nodes: node.name = f"hacked_{node.name}"
        return iter(())
@filterkit.hookimpl
def filterkit_weight_extractors(): return [filterkit.Contribution("bad", "Bad", Bad)]
"""


@pytest.mark.parametrize("extractors", [("bad", "convolution"), ("convolution", "bad"), ("bad",)])
def test_a_changed_graph(extractors: tuple[str, ...], install: Install, tmp_path: Path) -> None:
    install(NAME, CHANGING)
    catalog, model = tmp_path / "catalog.db", str(tiny_model("plain", tmp_path).path)
    words = [word for each in extractors for word in ("--extractor", each)]
    ran = invoke("add", model, *words, "--name", "hacked", "--catalog", str(catalog))
    said = f"error: plugin {NAME} 1.2: extractor 'bad': extract() modified the graph\n"
    assert ran.exit_code == 1 and said in ran.stderr
    assert f"FILTERKIT_PLUGINS_BLOCKED={NAME}" in ran.stderr
    assert rows(catalog, "add", model, "--name", "plain")[0]["filters"] == 9
    assert [row["model"] for row in rows(catalog, "models")] == ["plain"]


def test_a_wrong_return_of_a_method(install: Install) -> None:
    with pytest.raises(
        PluginContractError, match=f"plugin {NAME} 1.2: .* returned an ndarray, not Normalized"
    ):
        made(install, "return values").normalize(np.ones((1, 1, 2, 2), np.float32))


def test_a_command_that_raises(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(
        NAME,
        "import filterkit\n@filterkit.hookimpl\ndef filterkit_commands(app):\n"
        "    app.command('bad')(lambda: 1 / 0)\n",
    )
    with pytest.raises(SystemExit) as exited:
        run(["bad"])
    assert exited.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: plugin {NAME} 1.2: command 'bad': ZeroDivisionError: division by zero",
        "hint: use --debug for a traceback",
    ]


def test_a_missing_dependency_of_what_is_used(install: Install) -> None:
    install(
        NAME,
        "import filterkit\n@filterkit.hookimpl\ndef filterkit_normalizers():\n"
        "    return [filterkit.Contribution('bad', 'Bad', 'not_there_at_all:Bad', extra='more')]\n",
    )
    registry = Registry(load_plugins(strict=False))
    assert "bad" in registry.names("normalizer")
    with pytest.raises(PluginError, match="normalizer 'bad' needs the extra 'more'") as caught:
        registry.create("normalizer", "bad")
    assert caught.value.hint == f"pip install '{NAME}[more]'"


def test_two_plugins_with_one_name(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, classic_catalog: Path
) -> None:
    before = rows(classic_catalog, "filters", "classic")
    first = install(NAME, OFFERS.format(body="pass"))
    folder = tmp_path / "files"
    folder.mkdir()
    second = folder / "filterkit_bad.py"
    second.write_text(OFFERS.format(body="pass"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(folder))
    assert rows(classic_catalog, "filters", "classic") == before
    states = {row["path"]: row["state"] for row in rows(classic_catalog, "plugins", "list")}
    assert states[str(first)] == "loaded"
    [version] = [
        plugin.version for plugin in load_plugins(strict=False).plugins if plugin.path == str(second)
    ]
    is_told(classic_catalog, second, version, "failed", f"another plugin is already named '{NAME}'")
    ran = invoke(
        "show",
        "classic/emboss",
        "--normalizer",
        "bad",
        "--catalog",
        str(classic_catalog),
        "-o",
        str(tmp_path / "a.png"),
    )
    assert ran.exit_code == 0, ran.stderr  # the first works


def test_two_plugins_that_offer_one_name(install: Install) -> None:
    install(NAME, OFFERS.format(body="pass"))
    install("filterkit-worse", OFFERS.format(body="pass"))
    registry = Registry(load_plugins(strict=False))
    with pytest.raises(UsageError, match=f"'bad' is provided by {NAME} 1.2 and filterkit-worse 1.2"):
        registry.create("normalizer", "bad")
    assert registry.create("normalizer", f"{NAME}/bad").plugin.name == NAME


AFTER = """
import filterkit
@filterkit.hookimpl
def filterkit_after_ingest(event): print("words"); raise RuntimeError("too late")
"""

METRIC = """
import filterkit
class Bad:
    columns = ("bad",)
    layer_columns = ("worse",)
    def measure(self, bank): raise RuntimeError("cannot")
    def measure_layer(self, bank): return {"worse": 1.0}
@filterkit.hookimpl
def filterkit_metrics(): return [filterkit.Contribution("bad", "Bad", Bad)]
"""


def test_what_fails_after_an_ingest_leaves_the_rows(install: Install, tmp_path: Path) -> None:
    install(NAME, AFTER)
    assert rows(tmp_path / "catalog.db", "add", "classic")[0]["model"] == "classic"
    assert len(rows(tmp_path / "catalog.db", "filters", "classic")) == 13


def invoke(*words: str) -> Any:
    return CliRunner().invoke(build_app(), [*words])


def test_a_model_is_catalogued_without_a_metric_that_fails(install: Install, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    source = install(NAME, METRIC)
    ran = invoke("add", "classic", "--catalog", str(catalog), "--format", "json")
    assert (ran.exit_code, json.loads(ran.stdout)[0]["model"]) == (0, "classic")
    said = f"filterkit: plugin {NAME} 1.2 failed: metric 'bad': measure(): RuntimeError: cannot\n"
    assert said in ran.stderr
    assert "bad, worse: not computed; once the plugin works, run filterkit measure classic\n" in ran.stderr
    assert not rows(catalog, "query", f"select name from model where plugins like '%{NAME}%'")
    assert all(row["classic_type"] for row in rows(catalog, "filters", "classic"))

    ran = invoke("measure", "classic", "--catalog", str(catalog), "--format", "json")
    [row] = json.loads(ran.stdout)
    assert (ran.exit_code, row["columns"], row["unmeasured"]) == (1, [], ["bad", "worse"])
    assert "bad, worse: not computed\n" in ran.stderr

    source.write_text(
        METRIC.replace('raise RuntimeError("cannot")', "return {'bad': bank.weights[:, 0, 0, 0]}")
    )
    del sys.modules["filterkit_bad"]
    [row] = rows(catalog, "measure", "classic")
    assert (row["columns"], row["unmeasured"]) == (["bad", "worse"], [])
    assert rows(catalog, "filters", "classic", "--where", "bad is not null and worse = 1")


def test_a_metric_that_is_named_and_fails_leaves_the_catalog_as_it_was(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tmp_path / "catalog.db"
    before = rows(catalog, "add", "classic") and rows(catalog, "filters", "classic")
    install(NAME, METRIC)
    again = ["add", "classic", "--name", "again", "--catalog", str(catalog)]
    for words in (again, ["measure", "classic", "--catalog", str(catalog)]):
        ran = invoke(*words, "--metric", "bad")
        assert ran.exit_code == 1
        assert f"error: plugin {NAME} 1.2: metric 'bad': measure(): RuntimeError: cannot" in ran.stderr
        assert f"FILTERKIT_PLUGINS_BLOCKED={NAME}" in ran.stderr
    assert rows(catalog, "filters", "*") == before
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", NAME)
    assert invoke(*again).exit_code == 0


def test_a_metric_with_the_column_of_another(install: Install, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.db"
    install(NAME, METRIC.replace('("bad",)', '("l2_norm", "other")'))
    ran = invoke("add", "classic", "--catalog", str(catalog))
    said = "the column 'l2_norm' comes from filterkit.metrics/basic and from"
    assert f"plugin {NAME} 1.2 failed: {said} {NAME}/bad\n" in ran.stderr
    assert "\nother, worse: not computed" in ran.stderr
    assert all(row["l2_norm"] > 0 for row in rows(catalog, "filters", "classic"))


def test_only_some_plugins(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install(NAME, "raise RuntimeError")
    install("filterkit-good", OFFERS.format(body="pass"))
    monkeypatch.setenv("FILTERKIT_PLUGINS_ONLY", "Filterkit_Good, another")
    host = load_plugins(strict=True)
    states = {plugin.name: plugin.state for plugin in host.plugins}
    assert (states[NAME], states["filterkit-good"], states["filterkit.formats"]) == (
        "blocked",
        "loaded",
        "loaded",
    )
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "filterkit-good")
    assert {p.state for p in load_plugins(strict=True).plugins if p.distribution != "cnn-filterkit"} == {
        "blocked"
    }
