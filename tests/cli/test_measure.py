"""``filterkit measure``, and messages about models without metrics."""

from __future__ import annotations

import shutil
from pathlib import Path

from command_line import Run

import filterkit

GOLDEN = Path(__file__).parents[1] / "catalog" / "golden" / "0002.db"
"""VGG16 and the classic kernels in the second version of the schema, without a store."""


def test_an_upgraded_catalog_is_measured(run: Run, tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "catalog.db")
    asked = (
        "filters",
        "classic",
        "--where",
        "classic_type = 'edge' and classic_score > 0.9",
        "--format",
        "json",
    )
    ran = run(*asked)
    assert ran.rows == []
    assert ran.stderr == "classic lacks requested metrics: `filterkit measure classic` computes them\n"
    code, said, hint = run("measure", "classic").failure
    assert (code, said) == (1, "the weights of classic are not in the store; the catalog has only its rows")
    assert "`filterkit add classic`" in hint
    assert run("add", "classic").exit_code == 0
    ran = run("measure", "classic", "--format", "json")
    [row] = ran.rows
    assert (row["model"], row["filters"], row["layers"]) == ("classic", 13, 13)
    assert {"dead", "classic_type", "orthogonality"} <= {*row["columns"]}
    ran = run(*asked)
    assert ran.stderr == ""
    assert {row["layer"].split("_")[0] for row in ran.rows} == {"edge"}
    ran = run("measure", "classic")
    assert ran.exit_code == 0
    assert "no metric is missing" in ran.stderr


def test_models_that_were_not_measured_are_named(run: Run, tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "catalog.db")
    said = "2 models lack requested metrics: `filterkit measure '*'` computes them\n"
    for words in (
        ["--count", "--where", "dead = 1"],
        ["--sort", "-stable_rank"],
        ["--group-by", "classic_type"],
        ["--columns", "address,dc_share"],
    ):
        assert run("filters", "*", *words, "--format", "json").stderr == said
        assert run("filters", "*", *words, "--format", "json", "--quiet").stderr == ""
    assert run("filters", "*", "--where", "l2_norm > 1", "--format", "json").stderr == ""


def test_some_metrics_are_left_for_later(run: Run, tmp_path: Path) -> None:
    assert run("add", "classic", "--metric", "basic", "--metric", "energy").exit_code == 0
    with filterkit.open(tmp_path / "catalog.db") as bench:
        [row] = bench.filters("classic/emboss")
    assert row["dead"] == 0
    assert row["classic_type"] is None
    [row] = run("measure", "*", "--metric", "classic", "--format", "json").rows
    assert row["columns"] == ["classic_type", "classic_score", "classic_kernel"]


def test_wrong_words(run: Run) -> None:
    assert run("add", "classic", "--metric", "basic").exit_code == 0
    code, said, hint = run("measure", "classik").failure
    assert (code, said) == (1, "there is no model 'classik' in the catalog")
    assert "'classic'" in hint
    code, said, hint = run("measure", "classic", "--metric", "redundance").failure
    assert (code, said) == (2, "unknown metric 'redundance'")
    assert "'redundancy'" in hint
