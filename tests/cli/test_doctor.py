"""``filterkit doctor``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnxruntime
import pytest
from command_line import Run

import filterkit

BROKEN_PLUGIN = "raise ImportError('this plugin is broken')"


def install(site: Path, code: str, name: str = "filterkit-thing") -> None:
    """A distribution with one plugin, as an installer would leave it in `site`."""
    module = name.replace("-", "_")
    info = site / f"{module}-1.2.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[filterkit]\nplugin = {module}\n", encoding="utf-8")


def test_everything_in_order(run: Run, classic: Path) -> None:
    ran = run("doctor", "--format", "json")
    report = json.loads(ran.stdout)
    assert (ran.exit_code, report["faults"]) == (0, []), ran
    assert list(report) == ["versions", "providers", "catalog", "store", "plugins", "faults"]
    assert report["versions"]["cnn-filterkit"] == filterkit.__version__
    assert onnxruntime.__version__ in report["versions"].values()
    assert report["providers"]["cpu"]["usable"] is True
    cuda = report["providers"]["cuda"]
    assert cuda["usable"] is True or cuda["reason"]
    assert (report["catalog"]["models"], report["catalog"]["filters"]) == (1, 13)
    assert report["catalog"]["path"] == str(classic)
    assert report["store"]["bytes"] > 0
    assert report["store"]["without_weights"] == []
    assert {plugin["state"] for plugin in report["plugins"]} == {"loaded"}


def test_no_catalog_is_no_fault(run: Run, tmp_path: Path) -> None:
    ran = run("doctor", "--format", "json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)["catalog"]["exists"] is False
    assert list(tmp_path.iterdir()) == []


def test_rows_for_people_and_for_spreadsheets(run: Run, classic: Path) -> None:
    ran = run("doctor")
    assert ran.exit_code == 0
    assert "no problems found" in ran.stderr
    assert "provider cpu" in ran.stdout
    lines = run("doctor", "--format", "csv").stdout.splitlines()
    assert lines[0] == "check,state,detail"
    assert "provider cpu,usable," in lines


def test_a_store_without_weights_says_what_brings_them(run: Run, classic: Path) -> None:
    shutil.rmtree(classic.with_suffix(".store"))
    ran = run("doctor", "--format", "json")
    assert ran.exit_code == 0
    expected = [{"model": "classic", "do": "filterkit add classic"}]
    assert json.loads(ran.stdout)["store"]["without_weights"] == expected


def test_a_broken_catalog_is_a_fault(run: Run) -> None:
    Path("catalog.db").write_text("no database at all " * 100)
    ran = run("doctor", "--format", "json")
    assert ran.exit_code == 1
    report = json.loads(ran.stdout)
    assert report["catalog"]["usable"] is False
    [fault] = report["faults"]
    assert "catalog.db" in fault["what"]
    assert fault["do"]
    table = run("doctor")
    assert table.exit_code == 1
    assert "FAULT" in table.stdout


def test_a_remedy_is_reported_for_a_store_that_was_tampered_with(run: Run, classic: Path) -> None:
    [banks] = classic.with_suffix(".store").glob("banks/*")
    banks.write_bytes(banks.read_bytes()[:-4] + b"\0\0\0\0")
    ran = run("doctor", "--format", "json")
    assert ran.exit_code == 1
    report = json.loads(ran.stdout)
    command = "filterkit add classic --replace"
    assert report["store"]["damaged"] == [
        {"model": "classic", "file": str(banks), "state": "altered", "do": command}
    ]
    [fault] = report["faults"]
    assert "classic is altered" in fault["what"]
    assert fault["do"] == command
    assert run(*command.split()[1:]).exit_code == 0
    assert run("doctor").exit_code == 0
    banks.unlink()
    [fault] = json.loads(run("doctor", "--format", "json").stdout)["faults"]
    assert fault["do"] == "filterkit add classic"
    assert run("add", "classic").exit_code == 0
    assert run("doctor").exit_code == 0


@pytest.mark.parametrize(
    "name", ['my cat\'s "best".db', "what?#1 50%41.db", "ключ 鍵 é.db", "-c.db", "a\nb.db"]
)
def test_catalogs_in_odd_places(run: Run, tmp_path: Path, name: str) -> None:
    place = str(tmp_path / f"in {name}" / name)
    Path(place).parent.mkdir()
    for words in ("add classic", "show classic/edge_sobel_x", "query SELECT+1", "doctor", "remove classic"):
        ran = run(*(word.replace("+", " ") for word in words.split()), "--catalog", place)
        assert ran.exit_code == 0, ran
    assert [path.name for path in Path(place).parent.iterdir()] == [name]


def test_a_broken_plugin_is_a_fault_and_stops_nothing(spawn: Run, classic: Path, tmp_path: Path) -> None:
    install(tmp_path / "site", BROKEN_PLUGIN)
    path = {"PYTHONPATH": str(tmp_path / "site")}
    ran = spawn("doctor", "--format", "json", **path)
    assert ran.exit_code == 1
    [fault] = json.loads(ran.stdout)["faults"]
    assert "filterkit-thing" in fault["what"]
    assert "this plugin is broken" in fault["what"]
    assert "filterkit plugins upgrade filterkit-thing" in fault["do"]

    models = spawn("models", "--format", "json", **path)
    assert [row["model"] for row in models.rows] == ["classic"]
    rows = {row["plugin"]: row for row in spawn("plugins", "list", "--format", "json", **path).rows}
    assert (rows["filterkit-thing"]["state"], rows["filterkit-thing"]["version"]) == ("failed", "1.2")
    doctor = spawn("plugins", "doctor", "--format", "json", **path)
    assert doctor.exit_code == 1
    [row] = json.loads(doctor.stdout)
    assert row["plugin"] == "filterkit-thing"
    strict = spawn("models", FILTERKIT_STRICT_PLUGINS="1", **path)
    assert strict.exit_code == 1
    assert "Traceback" not in strict.stderr
    assert spawn("models", "--quiet", FILTERKIT_PLUGINS_BLOCKED="filterkit-thing", **path).stderr == ""


def test_the_other_library_of_that_name_is_noticed(spawn: Run, tmp_path: Path) -> None:
    info = tmp_path / "site" / "filterkit-0.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: filterkit\nVersion: 0.9\n")
    ran = spawn("doctor", "--format", "json", PYTHONPATH=str(tmp_path / "site"))
    assert ran.exit_code == 1
    [fault] = json.loads(ran.stdout)["faults"]
    assert "unrelated" in fault["what"]
    assert "cnn-filterkit" in fault["do"]


def test_two_runtimes_are_noticed(spawn: Run, tmp_path: Path) -> None:
    for name in ("onnxruntime", "onnxruntime-gpu"):
        info = tmp_path / "site" / f"{name.replace('-', '_')}-1.20.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.20.0\n")
    ran = spawn("doctor", "--format", "json", PYTHONPATH=str(tmp_path / "site"))
    assert ran.exit_code == 1
    [fault] = json.loads(ran.stdout)["faults"]
    assert "overwrite" in fault["what"]


def test_a_gutted_runtime_is_a_fault(spawn: Run, tmp_path: Path) -> None:
    (tmp_path / "site" / "onnxruntime").mkdir(parents=True)
    (tmp_path / "site" / "onnxruntime" / "__init__.py").write_text("")
    ran = spawn("doctor", "--format", "json", PYTHONPATH=str(tmp_path / "site"))
    assert ran.exit_code == 1, ran
    report = json.loads(ran.stdout)
    assert report["providers"]["cpu"]["usable"] is False
    assert report["faults"][0]["do"]
