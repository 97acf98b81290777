"""``filterkit diff``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, size_of

NAMES = {"address_a", "address_b", "cosine", "relative_l2", "max_abs", "scale"}


@pytest.fixture(autouse=True)
def _two_models(run: Run) -> None:
    """``one`` and ``other``: of three layers each, one differs and one has no partner."""
    random = np.random.default_rng(0)
    banks = {"stem": (4, 3, 3, 3), "body": (5, 4, 3, 3), "head": (2, 5, 1, 1)}
    one = {name: random.normal(size=shape).astype(np.float32) for name, shape in banks.items()}
    other = {**one, "body": one["body"].copy(), "tail": one["head"]}
    other["body"][2] *= -2
    del other["head"]
    for name, arrays in (("one", one), ("other", other)):
        np.savez(f"{name}.npz", **arrays)
        assert run("add", f"weights:{name}.npz").exit_code == 0


def test_a_row_per_layer(run: Run) -> None:
    ran = run("diff", "one", "other", "--format", "json")
    rows = ran.rows
    assert set(rows[0]) >= NAMES
    found = {row["address_a"]: (row["cosine_scaled"], row["changed"], row["sign_flips"]) for row in rows}
    assert found["one/stem"] == (1, 0, 0)
    assert found["one/body"] == (pytest.approx(1), 1, 36)
    assert [row["reason"] for row in rows] == [None, None, *["the other model has no layer of this name"] * 2]
    assert ran.stderr.splitlines() == [
        "not compared: 2 layers (one/head, …): the other model has no layer of this name"
    ]


def test_the_table_fits_a_terminal(run: Run) -> None:
    ran = run("diff", "one", "other", "--match", "position")
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "cosine" in lines[1]
    assert [line.split()[:2] for line in lines[3:]] == [
        ["one/stem", "other/stem"],
        ["one/body", "other/body"],
        ["one/head", "other/tail"],
    ]
    assert "moved" in run("diff", "one", "other", "--match", "assignment").stdout


def test_a_row_per_filter(run: Run) -> None:
    ran = run("diff", "one/body", "other/body", "--level", "filter", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert set(rows[0]) >= NAMES
    assert [float(row["scale"]) for row in rows] == pytest.approx([1, 1, -2, 1, 1])
    assert rows[2]["address_b"] == "other/body/2"


@pytest.mark.parametrize("level", ["layer", "filter"])
def test_pairs_that_are_not_finite_are_told_of(run: Run, level: str) -> None:
    with np.load("one.npz") as arrays:
        spoiled = dict(arrays)
    spoiled["stem"][1, 0, 0, 0], spoiled["body"][3, 1, 1, 1] = np.nan, np.inf
    np.savez("spoiled.npz", **spoiled)
    assert run("add", "weights:spoiled.npz").exit_code == 0
    ran = run("diff", "one", "spoiled", "--level", level)
    assert "skipped, with NaN or infinity: 2 pairs of filters\n" in ran.stderr


def test_tolerance(run: Run) -> None:
    for tolerance, changed in (("0", 1), ("2.9", 1), ("3.1", 0)):
        [row] = run("diff", "one/body", "other/body", "--tolerance", tolerance, "--format", "json").rows
        assert row["changed"] == changed


@pytest.mark.parametrize("name", ["pairs.png", "pairs.svg"])
def test_a_picture_beside_the_rows(run: Run, name: str) -> None:
    ran = run("diff", "one", "other", "-o", name, "--format", "json")
    assert len(ran.rows) == 4
    assert f"wrote {name}" in ran.stderr
    if name.endswith(".png"):
        width, height = size_of(Path(name))
        assert width > 400
        assert height > 100


def test_several_models_and_selected_rows(run: Run) -> None:
    ran = run("diff", "one", "other", "one", "--sort", "-changed", "--limit", "3", "--format", "json")
    assert [(row["model_b"], row["changed"]) for row in ran.rows] == [
        ("other", 1),
        ("other", 0),
        ("one", 0),
    ]
    assert ran.stderr.splitlines() == [
        "not compared with other: 2 layers (one/head, …): the other model has no layer of this name"
    ]
    found = run("diff", "one", "other", "--where", "changed > 0", "--format", "json")
    assert [row["address_a"] for row in found.rows] == ["one/body"]
    assert "not compared" in found.stderr
    assert "sign_" in run("diff", "one", "other", "--sort", "sign_flips").stdout.split()[:6]


@pytest.mark.parametrize("format_name", ["json", "ndjson", "csv", "tsv"])
@pytest.mark.parametrize("level", ["layer", "filter"])
def test_rows_are_piped_into_show(run: Run, format_name: str, level: str) -> None:
    ran = run("diff", "one", "other", "--level", level, "--format", format_name)
    shown = run("show", "-", "-o", "both.txt", piped=ran.stdout)
    skipped = "skipped, as their layers were not compared: 2 rows\n"
    assert (shown.exit_code, shown.stderr) == (0, f"{skipped}wrote both.txt\n")
    assert Path("both.txt").read_text(encoding="utf-8").startswith("18 filters of one and other\n")
    none = run("diff", "one", "other", "--where", "reason is not null", "--format", format_name).stdout
    failure = run("show", "-", piped=none).failure
    assert failure[:2] == (1, "none of the rows on standard input is a pair that can be drawn")


def add(run: Run, name: str, **banks: tuple[int, ...]) -> None:
    np.savez(f"{name}.npz", **{layer: np.ones(shape, np.float32) for layer, shape in banks.items()})
    assert run("add", f"weights:{name}.npz").exit_code == 0


def test_layers_of_other_shapes_are_skipped_when_piped(run: Run) -> None:
    add(run, "wide", stem=(4, 3, 3, 3), body=(9, 4, 3, 3))
    ran = run("diff", "one", "wide", "other", "--format", "ndjson")
    assert ran.stdout.count('"address_b": "wide/body", "filters": null') == 1
    shown = run("show", "-", "-o", "p.png", piped=ran.stdout)
    assert shown.stderr == "skipped, as their layers were not compared: 4 rows\nwrote p.png\n"


def test_a_model_with_nothing_in_common_does_not_hide_the_others(run: Run) -> None:
    add(run, "far", entry=(4, 3, 3, 3), exit=(2, 4, 3, 3))
    for models in (("far", "other"), ("other", "far")):
        ran = run("diff", "one", *models, "--format", "json")
        assert {row["model_b"] for row in ran.rows if row["cosine"] is not None} == {"other"}
        assert "not compared with far: 5 layers (one/stem, …): the other model has no layer" in ran.stderr
    error = run("diff", "one", "far", "far").failure
    assert error[:2] == (1, "one and far have no layer in common by name")


@pytest.mark.parametrize("words", [("--where", "cosine < -1"), ("--limit", "0")])
def test_no_selected_rows_are_no_error(run: Run, words: tuple[str, str]) -> None:
    ran = run("diff", "one", "other", *words, "-o", "x.png", "--format", "json")
    assert (ran.exit_code, ran.rows) == (0, [])
    assert "no rows were selected, so x.png was not written\n" in ran.stderr
    assert not Path("x.png").exists()
    error = run("diff", "one", "other", "--where", "reason is not null", "-o", "x.png").failure
    assert error[:2] == (2, "there is nothing to draw: these layers were not compared")


def test_wrong_use(run: Run) -> None:
    assert run("diff", "one", "two").failure[0] == 1
    assert run("diff", "one/stem", "other/body").failure[0] == 1
    code, error, _ = run("diff", "one/stem", "other/stem", "-o", "x.gif").failure
    assert (code, error) == (2, "no renderer writes '.gif'")
    for words in (["one"], ["one", "other", "--match", "closest"], ["one/stem/0", "other"], ["o*", "one"]):
        assert run("diff", *words).failure[0] == 2
    assert run("diff", "one", "other", "--tolerance", "-1").failure[0] == 2
    code, error, hint = run("diff", "one", "other", "--sort", "cosin").failure
    assert (code, error) == (2, "there is no column 'cosin'")
    assert hint.startswith("did you mean 'cosine'")
