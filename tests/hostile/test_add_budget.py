"""``add`` gives up once it has taken what it may, names the step, and writes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from isolated import Run
from many import MANY

from filterkit import Workbench
from filterkit.errors import ModelError, UsageError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell only the highest, or nothing")

TOOK = r"^many\.(onnx|npz) took more than 0.05 seconds of CPU time; the last step was \w+"


SLOW_METRIC = """
import time
import numpy as np
from filterkit import Contribution, hookimpl


class Slow:
    columns = ("slow",)

    def measure(self, bank):
        end = time.process_time() + 1
        while time.process_time() < end:
            pass
        return {"slow": np.zeros(bank.out_channels)}


@hookimpl
def filterkit_metrics():
    return [Contribution("slow", "Takes its time", Slow)]
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "many.onnx"
    path.write_bytes(MANY["own_weights"](200).SerializeToString())
    return path


def everything(folder: Path) -> dict[str, bytes]:
    """All files, but for what SQLite keeps beside a catalog while it is open."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if path.suffix not in (".db-wal", ".db-shm")}


def test_nothing_is_written_where_time_is_up(run: Run, tmp_path: Path, model: Path) -> None:
    before = everything(tmp_path)
    message, hint = run("add", model.name, "--timeout", "0.05").refusal()
    assert message.startswith("many.onnx took more than 0.05 seconds of CPU time; the last step was ")
    assert hint == "allow more with --timeout"
    assert everything(tmp_path) == before


def test_nothing_is_written_where_measuring_takes_too_long(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "filterkit_slow.py").write_text(SLOW_METRIC, encoding="utf-8")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(plugins))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = everything(tmp_path)
    took = r"^many\.onnx took more than 3 seconds of CPU time; the last step was measuring layer .*slow(\n|$)"
    with Workbench(tmp_path / "catalog.db") as bench, pytest.raises(ModelError, match=took):
        bench.add(model, metrics=["slow"], timeout=3)
    assert everything(tmp_path) == before


@LINUX
def test_nothing_is_written_where_memory_is_used_up(run: Run, tmp_path: Path, model: Path) -> None:
    before = everything(tmp_path)
    message, hint = run("add", model.name, "--memory", "10kB").refusal()
    assert message.startswith("many.onnx took more than 10 kB of memory beyond its own size; ")
    assert hint == "allow more with --memory"
    assert everything(tmp_path) == before


@pytest.mark.parametrize("limits", [("--timeout", 60, "--memory", "2GB"), ("--timeout", 0, "--memory", 0)])
def test_within_its_limits_it_is_catalogued(run: Run, model: Path, limits: tuple[object, ...]) -> None:
    (row,) = run("add", model.name, *limits, "--format", "json").rows
    assert row["layers"] == 202


@pytest.mark.parametrize("limit", [("--timeout", -1), ("--memory", "much"), ("--memory", "-1")])
def test_what_is_no_limit_is_wrong_use(
    run: Run, tmp_path: Path, model: Path, limit: tuple[object, ...]
) -> None:
    before = everything(tmp_path)
    assert run("add", model.name, *limit).code == 2
    assert everything(tmp_path) == before


@pytest.mark.parametrize("replace", [True, False])
def test_a_catalog_stays_as_it_was(tmp_path: Path, model: Path, replace: bool) -> None:
    place = tmp_path / "catalog.db"
    with Workbench(place) as bench:
        bench.add(model)
        rows = list(bench.filters())
        before = everything(tmp_path / "catalog.store")
        model.write_bytes(MANY["layers"](200).SerializeToString())
        name = None if replace else "other"
        with pytest.raises(ModelError, match=TOOK):
            bench.add(model, replace=replace, name=name, timeout=0.05)
        assert [row["model"] for row in bench.models()] == ["many"]
        assert list(bench.filters()) == rows
        assert everything(tmp_path / "catalog.store") == before
        assert bench.add(model, replace=True).status == "replaced"


def test_weights_are_bound_too(tmp_path: Path) -> None:
    arrays = {f"l{n}.weight": np.ones((2, 2, 1, 1), np.float32) for n in range(500)}
    np.savez(tmp_path / "many.npz", **arrays)
    with Workbench(tmp_path / "catalog.db") as bench:
        with pytest.raises(ModelError, match=TOOK):
            bench.add(f"weights:{tmp_path / 'many.npz'}", timeout=0.05)
        assert not (tmp_path / "catalog.db").exists()
        assert bench.add(f"weights:{tmp_path / 'many.npz'}").layers == 500


def test_limits_are_positive(tmp_path: Path, model: Path) -> None:
    with Workbench(tmp_path / "catalog.db") as bench:
        with pytest.raises(UsageError, match="timeout"):
            bench.add(model, timeout=0)
        with pytest.raises(UsageError, match="memory"):
            bench.add(model, memory=-1)
        assert bench.add(model, timeout=None, memory=None).layers == 202
