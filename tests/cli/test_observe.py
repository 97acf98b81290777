"""``filterkit observe``, ``observations`` and the columns of responses: rows, messages and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from observed_net import observe_net

COLUMNS = [
    *("model", "observation", "status", "pictures", "added", "copies", "left_out", "layers", "filters"),
    *("provider", "seconds", "metrics", "unmeasured"),
]


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    observe_net(tmp_path, observe=False)


def test_rows(run: Run) -> None:
    [row] = run("observe", "net", "pictures", "--format", "json").rows
    assert list(row) == COLUMNS
    assert row["observation"] == "pictures"
    assert [row[name] for name in ("status", "pictures", "added", "layers", "filters")] == [
        *("observed", 6, 6, 2, 6),
    ]
    ran = run("observe", "net", "pictures", "--format", "json")
    assert ran.rows[0]["status"] == "unchanged"
    assert ran.stderr == "unchanged: pictures has all of these pictures and layers\n"
    [listed] = run("observations", "net", "--format", "json").rows
    assert [listed[name] for name in ("observation", "pictures", "at", "size", "top", "duplicates")] == [
        *("pictures", 6, "post", None, 9, "skip"),
    ]
    assert run("observations", "nothing").failure[:2] == (1, "there is no model 'nothing' in the catalog")


def test_observations_that_end_with_a_replaced_model_are_named(run: Run) -> None:
    run("observe", "net", "pictures")
    ran = run("add", "net.onnx", "--replace", "--preprocessing", "caffe:layout=NCHW")
    assert "removed what was observed of the replaced model: pictures; " in ran.stderr


def test_pictures_that_are_left_out_are_named(run: Run) -> None:
    for number in range(12):
        Path(f"pictures/class0/bad{number}.png").write_text(f"x{number}", encoding="utf-8")
    ran = run("observe", "net", "pictures", "--format", "json")
    assert ran.rows[0]["left_out"] == 12
    lines = ran.stderr.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("error: left out: pictures/class0/bad0.png is not a picture")
    assert lines[-1] == "further pictures that are left out are not named"


def test_columns_of_filters_and_layers(run: Run) -> None:
    names = [
        *("response_mean", "response_std", "response_max", "response_p99", "active_share", "fires_share"),
        *("top_class", "top_class_share"),
    ]
    asked = ("filters", "net", "--where", "fires_share = 0")
    assert run(*asked).failure == (
        1,
        "responses are not known: these filters have not been observed",
        "filterkit observe MODEL IMAGES...",
    )
    assert names[0] not in run("filters", "net", "--format", "json").rows[0]
    run("observe", "net", "pictures")
    assert [row["address"] for row in run(*asked, "--format", "json").rows] == ["net/conv/3"]
    rows = run("filters", "net/conv", "--sort", "-top_class_share", "--format", "json").rows
    assert list(rows[0])[-8:] == names
    shares = [row["top_class_share"] for row in rows[:3]]
    assert shares == sorted(shares, reverse=True)
    assert rows[-1]["top_class"] is None
    assert run("filters", "net", "--count", "--where", "fires_share > 0", "--format", "json").rows == [
        {"filters": 5}
    ]
    groups = run(
        *("filters", "net/conv", "--group-by", "top_class", "--agg", "max:response_max", "--format", "json")
    ).rows
    assert max(row["max_response_max"] for row in groups) == max(row["response_max"] for row in rows)
    layers = run("stats", "net", "--format", "json").rows
    assert list(layers[0])[-8:] == names
    assert layers[0]["response_mean"] == pytest.approx(np.mean([row["response_mean"] for row in rows]))
    assert layers[0]["response_max"] == max(row["response_max"] for row in rows)


def test_columns_of_an_observation_by_name(run: Run) -> None:
    run("observe", "net/conv", "pictures/class0", "--name", "first")
    run("observe", "net/conv", "pictures/class1", "--name", "second")
    asked = ("filters", "net/conv/0", "--columns", "response_mean", "--format", "json")
    newest = run(*asked).rows
    assert newest == run(*asked, "--observation", "second").rows
    assert newest != run(*asked, "--observation", "first").rows
    assert run("stats", "net/conv", "--observation", "first", "--format", "json").rows[0]["response_mean"] > 0
    assert run(*asked, "--observation", "frist").failure == (
        *(1, "these layers have no observation 'frist'", "did you mean 'first'?"),
    )
    run("remove", "net", "--observation", "second")
    assert run(*asked).rows == run(*asked, "--observation", "first").rows


def test_errors_are_one_line(run: Run) -> None:
    run("observe", "net", "pictures")
    status, message, hint = run("observe", "net", "pictures", "--top", "4").failure
    assert (status, message) == (2, "observation 'pictures' was made with top 9, not 4")
    assert "--name" in hint
    status, message, _ = run("observe", "net", "pictures/class0", "--name", "pictures").failure
    assert (status, message) == (
        2,
        "observation 'pictures' is of other pictures: 3 of its 6 are not among those given, e.g. "
        f"{Path('pictures/class1/1.png').absolute()}",
    )
    Path("empty").mkdir()
    assert run("observe", "net", "empty").failure[:2] == (1, "folder empty contains no pictures")
    assert run("observe", "net", "nowhere").failure[0] == 1


METRIC = """
import filterkit, numpy as np

class Largest:
    columns = ("largest",)

    def summarize(self, maps):
        if maps.shape[1] == FAILS:
            raise ValueError("no")
        return {"largest": maps.reshape(*maps.shape[:2], -1).max(axis=(0, 2))}

    def merge(self, one, other):
        return {"largest": np.maximum(one["largest"], other["largest"])}

    def values(self, summary):
        return summary

@filterkit.hookimpl
def filterkit_response_metrics():
    return [filterkit.Contribution("largest", "The largest response", Largest)]

@filterkit.hookimpl
def filterkit_after_observe(event):
    print(f"{event.model} {event.observation} {event.pictures} {event.added} {event.metrics}")
"""


def test_metrics_of_plugins(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(plugins))
    (plugins / "largest.py").write_text(METRIC.replace("FAILS", "0"), encoding="utf-8")
    ran = run("observe", "net", "pictures", "--metric", "largest", "--format", "json")
    assert ran.rows[0]["metrics"] == ["largest"]
    assert "net pictures 6 6 ('largest',)" in ran.stderr
    rows = run(
        "filters", "net", "--columns", "largest,response_max", "--sort=-largest", "--format", "json"
    ).rows
    assert [row["largest"] for row in rows] == [row["response_max"] for row in rows]
    ran = run("observe", "net", "pictures", "--metric", "largest", "--format", "json")
    assert (ran.rows[0]["status"], "net pictures" in ran.stderr) == ("unchanged", False)
    kinds = {row["kind"]: row["name"] for row in run("plugins", "show", "largest", "--format", "json").rows}
    assert kinds == {"response-metric": "largest", "hook": "filterkit_after_observe"}
    assert run("observe", "net", "pictures", "--metric", "larges").failure == (
        *(2, "unknown response-metric 'larges'", "did you mean 'largest'?"),
    )


def test_a_metric_that_fails_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(plugins))
    (plugins / "largest.py").write_text(METRIC.replace("FAILS", "2"), encoding="utf-8")
    ran = run("observe", "net", "pictures", "--metric", "largest", "--format", "json")
    [row] = json.loads(ran.stdout)
    assert (ran.exit_code, row["status"], row["metrics"], row["unmeasured"]) == (
        1,
        "observed",
        [],
        ["largest"],
    )
    assert "failed: response-metric 'largest': summarize(): ValueError: no\n" in ran.stderr
    assert "largest: not computed" in ran.stderr
