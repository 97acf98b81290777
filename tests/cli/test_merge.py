"""``filterkit merge``."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from command_line import Run, write_network
from onnx_graphs import build, node, random


@pytest.fixture
def other(run: Run, tmp_path: Path) -> Path:
    """Another catalog, with a network that is named m."""
    graph = build([node("Conv", "x w", "y")], {"x": [1, 3, 8, 8]}, {"w": random(4, 3, 3, 3, seed=9)})
    (tmp_path / "theirs").mkdir()
    onnx.save(graph, tmp_path / "theirs" / "m.onnx")
    path = tmp_path / "theirs" / "other.db"
    assert run("add", tmp_path / "theirs" / "m.onnx", "--catalog", path).exit_code == 0
    return path


def test_merge_lists_what_it_did(run: Run, other: Path) -> None:
    ran = run("merge", other, "--dry-run", "--format", "json")
    assert (ran.exit_code, ran.rows[0]["action"]) == (0, "added")
    assert ran.stderr.endswith(": would be 1 added\n")
    ran = run("merge", other, "--format", "json")
    assert ran.exit_code == 0
    assert ran.rows == [{"model": "m", "observation": None, "action": "added", "reason": None}]
    assert ran.stderr == f"{other}: 1 added\n"
    ran = run("merge", other, "--format", "json")
    assert (ran.exit_code, ran.rows[0]["action"]) == (0, "equal")
    assert ran.stderr == f"{other}: nothing changed, 1 equal\n"


def test_a_clash_is_reported_with_what_to_do(run: Run, other: Path, tmp_path: Path) -> None:
    run("add", write_network(tmp_path / "m.onnx"))
    ran = run("merge", other, "--format", "json")
    assert ran.exit_code == 1
    assert (
        json.loads(ran.stdout)[0]["reason"]
        == "another model is named m here; to add this one: --rename m=NEW"
    )
    ran = run("merge", other, "--rename", "m=n", "--format", "json")
    assert (ran.exit_code, ran.rows[0]["model"]) == (0, "n")


def test_the_rest_goes_on_after_a_bad_catalog(run: Run, other: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_text("no database")
    ran = run("merge", bad, other, "--format", "json")
    assert (ran.exit_code, [row["action"] for row in json.loads(ran.stdout)]) == (1, ["added"])
    assert ran.stderr.startswith("error: ")
    code, error, _ = run("merge", bad).failure
    assert code == 1 and "bad.db" in error


def test_wrong_use(run: Run, other: Path) -> None:
    assert run("merge", other, other, "--rename", "m=n").failure[0] == 2
    for wrong in ("m", "m=", "=n"):
        code, error, hint = run("merge", other, "--rename", wrong).failure
        assert code == 2 and f"'{wrong}'" in error and "--rename vgg16=" in hint
    code, error, hint = run("merge", other, "--rename", "n=x").failure
    assert code == 1 and "'n'" in error and "m" in hint
