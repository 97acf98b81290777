"""``filterkit responses``: rows by picture and by class."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Run
from observed_net import observe_net


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    observe_net(tmp_path)


def test_by_picture(run: Run) -> None:
    rows = run("responses", "net/conv/1", "--format", "json").rows
    assert [list(row) for row in rows] == [["address", "image", "sha256", "label", "mean", "max"]] * 6
    assert all(row["max"] >= row["mean"] >= 0 for row in rows)
    assert run("responses", "net/conv/1", "--limit", "2", "--format", "json").rows == rows[:2]


def test_by_class(run: Run) -> None:
    rows = run("responses", "net/conv", "--by", "class", "--format", "json").rows
    assert [(row["label"], row["pictures"]) for row in rows] == [("class0", 3), ("class1", 3)] * 4
    assert run("responses", "net/conv", "--by", "label").failure[0] == 2


def test_errors(run: Run) -> None:
    assert run("responses", "net/conv", "--observation", "x").failure == (
        *(1, "net has no observation 'x'", "known: pictures"),
    )
