"""``filterkit models``, and the formats every listing has."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import datetime
from pathlib import Path

import pytest
from command_line import Run

KEYS = [
    "model",
    "source",
    "ref",
    "layers",
    "filters",
    "kernels",
    "parameters",
    "skipped",
    "input_shape",
    "license",
    "sha256",
    "added_at",
]


@pytest.mark.zoo
@pytest.mark.usefixtures("catalog")
def test_the_row_of_vgg16(run: Run, catalog: Path) -> None:
    rows = {row["model"]: row for row in run("models", "--format", "json").rows}
    classic, vgg16 = rows["classic"], rows["vgg16"]
    assert list(classic) == list(vgg16) == KEYS
    assert (classic["model"], classic["source"], classic["layers"]) == ("classic", "classic", 13)
    expected = {"model": "vgg16", "source": "zoo", "ref": "vgg16", "layers": 13, "filters": 4224}
    expected |= {"kernels": 1634496, "parameters": 14714688, "skipped": 0}
    assert {key: vgg16[key] for key in expected} == expected
    assert isinstance(vgg16["input_shape"], list)
    assert vgg16["input_shape"][3] == 3
    assert "CC BY 4.0" in vgg16["license"]
    assert datetime.fromisoformat(vgg16["added_at"]).tzinfo is not None
    [stored] = catalog.with_suffix(".store").glob(f"models/{vgg16['sha256']}/model.onnx")
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == vgg16["sha256"]


def test_every_format_says_the_same(run: Run, classic: Path) -> None:
    [row] = run("models", "--format", "json").rows
    assert [json.loads(line) for line in run("models", "--format", "ndjson").stdout.splitlines()] == [row]
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        text = run("models", "--format", name).stdout
        header, values = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        assert header == KEYS
        read = dict(zip(header, values, strict=True))
        assert json.loads(read["input_shape"]) == row["input_shape"]
        assert (read["model"], read["parameters"]) == ("classic", str(row["parameters"]))
    table = run("models")
    assert table.stdout.splitlines()[-1].split()[:2] == ["classic", "13"]
    assert "--format json" in table.stderr
    assert run("models", "--quiet").stderr == ""


def test_no_catalog_yet(run: Run) -> None:
    code, error, hint = run("models").failure
    assert code == 1
    assert "catalog.db" in error
    assert "filterkit add" in hint


@pytest.mark.parametrize("content", [b"", b"certainly not SQLite" * 100])
def test_a_foreign_file_is_no_catalog(run: Run, tmp_path: Path, content: bytes) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_bytes(content)
    code, error, _ = run("models", "--catalog", foreign).failure
    assert code == 1
    assert str(foreign) in error
    assert foreign.read_bytes() == content


def test_an_unknown_format_lists_the_closest(run: Run, classic: Path) -> None:
    code, error, hint = run("models", "--format", "jsn").failure
    assert (code, error) == (2, "unknown format 'jsn'")
    assert "'json'" in hint


def test_one_model_or_a_pattern(run: Run, catalog: Path) -> None:
    for name in ("vgg16", "vgg*"):
        assert [row["model"] for row in run("models", name, "--format", "json").rows] == ["vgg16"]
    assert "vgg16" in run("models", "vgg").stderr
