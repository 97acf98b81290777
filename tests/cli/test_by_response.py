"""``filterkit diff --by response`` and ``similar --by response``: rows, messages, pictures and errors."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import onnx
import pytest
from command_line import Run, size_of
from observed_net import observe_net
from onnx import numpy_helper


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, run: Run) -> None:
    """``net``, whose filter 3 of ``conv`` never fires, and ``tuned``, in which filter 1 is reversed."""
    observe_net(tmp_path)
    model = onnx.load(tmp_path / "net.onnx")
    [bank] = [each for each in model.graph.initializer if each.name == "w"]
    values = numpy_helper.to_array(bank).copy()
    values[1] = values[1, ::-1, ::-1, ::-1]
    bank.CopyFrom(numpy_helper.from_array(values, "w"))
    onnx.save(model, tmp_path / "tuned.onnx")
    run("add", "tuned.onnx")


def test_diff(run: Run) -> None:
    asked = ("diff", "net", "tuned", "--by", "response")
    assert run(*asked).failure == (*(1, "tuned has not been observed", "filterkit observe tuned IMAGES..."),)
    run("observe", "tuned", "pictures/class0", "--name", "half")
    assert run(*asked).failure == (
        1,
        "the pictures of observation 'pictures' of net and 'half' of tuned differ: 6 and 3, of which 3 are "
        "in both",
        "filterkit observe tuned IMAGES... --name NAME, with the pictures of 'pictures'; or choose "
        "observations of the same pictures with --observation",
    )
    run("observe", "tuned/conv", "pictures")
    ran = run(*asked, "--format", "json")
    conv, last = ran.rows
    assert ran.stderr == (
        "not compared: net/last: tuned has no observation of the pictures in 'pictures' with --at post\n"
    )
    assert (conv["cka"] < 1, conv["undefined"], conv["reason"]) == (True, 1, None)
    assert (last["cka"], last["address_b"]) == (None, "tuned/last")
    rows = run(*asked, "--level", "filter", "--sort", "correlation", "--format", "json").rows
    by_filter = {row["address_a"]: row["correlation"] for row in rows}
    assert by_filter["net/conv/0"] == by_filter["net/conv/2"] == 1
    assert by_filter["net/conv/1"] < 1
    assert by_filter["net/conv/3"] is None
    text = run(*asked, "--level", "filter", "--format", "csv").stdout
    assert [row["correlation"] for row in csv.DictReader(io.StringIO(text))][3:4] == [""]
    assert run(*asked, "--where", "cka > 0.99", "--format", "json").rows == []


def test_the_table_fits_a_terminal(run: Run) -> None:
    run("observe", "tuned", "pictures")
    for more in ((), ("--match", "assignment"), ("--level", "filter")):
        ran = run("diff", "net", "tuned", "--by", "response", *more)
        assert max(map(len, ran.stdout.splitlines())) <= 80
        assert "correlation" in ran.stdout


def test_pictures(run: Run, tmp_path: Path) -> None:
    run("observe", "tuned", "pictures")
    assert "wrote a.png" in run("diff", "net", "tuned", "--by", "response", "-o", "a.png").stderr
    assert "wrote b.txt" in run("similar", "net/conv/1", "--by", "response", "-o", "b.txt").stderr
    assert size_of(tmp_path / "a.png")[0] > 100
    assert "responses correlate most" in (tmp_path / "b.txt").read_text(encoding="utf-8")


def test_similar(run: Run) -> None:
    asked = ("similar", "net/conv/1", "--by", "response")
    ran = run(*asked, "--format", "json")
    assert [row["model"] for row in ran.rows] == ["net"] * 4
    assert ran.stderr == "skipped, with constant responses: 1 filters\n"
    run("observe", "tuned", "pictures/class1")
    ran = run(*asked, "--format", "json")
    assert ran.stderr.splitlines()[1] == "not searched, observed over other pictures: 2 layers"
    run("observe", "tuned", "pictures")
    rows = run(*asked, "--limit", "2", "--invariant", "scale,sign", "--format", "ndjson").stdout
    assert rows.count('"observation": "pictures"') == 2
    assert run("similar", "net/conv/3", "--by", "response").failure[:2] == (
        2,
        "the responses of net/conv/3 in observation 'pictures' are constant, so that no correlation is "
        "defined",
    )
    assert run(*asked, "--observation", "x").failure == (
        *(1, "net has no observation 'x'", "known: pictures"),
    )
    assert run(*asked, "--level", "kernel").failure[0] == 2


def test_rows_can_be_piped_on(run: Run, tmp_path: Path) -> None:
    run("observe", "tuned", "pictures")
    found = run("similar", "net/conv/1", "--by", "response", "--limit", 3, "--format", "ndjson")
    run("show", "-", "-o", "found.png", piped=found.stdout)
    assert size_of(tmp_path / "found.png")[0] > 100
    pairs = run("diff", "net", "tuned", "--by", "response", "--level", "filter", "--format", "ndjson")
    run("show", "-", "-o", "pairs.png", piped=pairs.stdout)
    assert size_of(tmp_path / "pairs.png")[0] > 100
