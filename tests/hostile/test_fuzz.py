"""A short, repeatable run of the fuzz target; the long ones are started by hand (see fuzz_loader.py)."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import onnx
import pytest
from fuzz_corpus import corpus
from fuzz_loader import drive, fuzz
from fuzz_mutations import mutated

RUNS = 300


@pytest.mark.parametrize("name", corpus())
def test_the_corpus_itself_is_taken(tmp_path: Path, name: str) -> None:
    """A corpus that is refused at the door would test the door alone."""
    (tmp_path / "model.onnx").write_bytes(corpus()[name])
    assert drive(tmp_path / "model.onnx", tmp_path / "catalog.db") == "taken"


@pytest.mark.skipif(sys.platform == "win32", reason="bounds are set by resource")
def test_spoiled_models_are_taken_or_refused() -> None:
    reports = fuzz(RUNS, workers=2, seed=0)
    assert [each for each in reports if each["finding"]] == []
    outcomes = {each["outcome"].partition(":")[0] for each in reports}
    assert len(reports) == RUNS and {"taken", "ModelError"} <= outcomes


def test_runs_come_again() -> None:
    data = corpus()["plain"]
    assert mutated(data, random.Random("0-1")) == mutated(data, random.Random("0-1"))
    assert onnx.ModelProto.FromString(data).graph.node
