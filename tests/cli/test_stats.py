"""``filterkit stats``: rows about layers, and charts of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from command_line import Run, size_of
from PIL import Image

import filterkit
from filterkit.operations import stats

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


def test_the_layers_of_vgg16(run: Run, catalog: Path) -> None:
    rows = run("stats", "vgg16", "--format", "json").rows
    assert len(rows) == 13
    with filterkit.open(catalog) as bench:
        for row in rows:
            bank = bench.bank(row["address"]).astype(np.float64)
            assert row["log_norm"] == pytest.approx(np.log10(np.square(bank).sum()), rel=1e-5)
            largest = np.abs(bank).max()
            sparse = (np.abs(bank).max(axis=(2, 3)) < largest / 100).mean()
            assert row["sparsity"] == pytest.approx(sparse, abs=1e-6)
    types = ("edge", "blur", "sharpen", "emboss", "pointwise", "other")
    assert all(sum(row[name] for name in types) == row["filters"] for row in rows)
    grouped = run("filters", "vgg16", "--group-by", "classic_type", "--format", "json").rows
    assert {row["classic_type"]: row["filters"] for row in grouped} == {
        name: total for name in types if (total := sum(row[name] for row in rows))
    }


def test_the_table_names_models_only_where_there_are_several(run: Run) -> None:
    assert run("stats", "vgg16/block1_*").stdout.splitlines()[2].split()[:2] == ["layer", "filters"]
    assert run("stats", "*/*conv1").stdout.splitlines()[2].split()[:2] == ["layer", "filters"]
    assert run("stats", "*").stdout.splitlines()[2].split()[:3] == ["model", "layer", "filters"]


@pytest.mark.parametrize(
    ("address", "suffix"),
    [
        *(("vgg16", ".png"), ("vgg16/block1_conv1", ".svg"), ("vgg16/block1_conv1", ".png")),
        *(("classic/emboss", ".png"), ("classic/emboss", ".pdf")),
    ],
)
def test_charts(run: Run, tmp_path: Path, address: str, suffix: str) -> None:
    path = tmp_path / "deep" / f"chart{suffix}"
    ran = run("stats", address, "-o", path, "--format", "csv")
    assert ran.exit_code == 0
    assert ran.stdout.startswith("address,model,layer,filters,sparsity")
    assert ran.stderr.splitlines()[-1] == f"wrote {path}"
    if suffix == ".png":
        assert min(size_of(path)) > 600
    else:
        assert path.read_bytes().startswith(b"%PDF-" if suffix == ".pdf" else b"<?xml")


def test_the_layers_are_looked_up_once(run: Run) -> None:
    statements: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", record)
    try:
        assert run("stats", "vgg16", "-o", "chart.svg").exit_code == 0
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", record)
    tables = [found[1] for each in statements if (found := re.search(r"FROM (\w+)", each))]
    assert [tables.count(name) for name in ("model", "layer", "filter")] == [1, 1, 2], tables


def test_a_chart_says_where_it_comes_from(run: Run, catalog: Path, tmp_path: Path) -> None:
    run("stats", "vgg16/block1_*", "-o", "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        texts = picture.text  # type: ignore[attr-defined]
    with filterkit.open(catalog) as bench:
        [sha256] = [row["sha256"] for row in bench.models() if row["model"] == "vgg16"]
    assert texts == {
        "Title": "vgg16: 2 layers, 128 filters",
        "Software": f"filterkit {filterkit.__version__}",
        "filterkit address": "vgg16/block1_*",
        "filterkit model": f"vgg16 sha256:{sha256}",
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nobody"], 1, "no model 'nobody'"),
        (["vgg16/block9"], 1, "no layer 'block9'"),
        (["vgg16/block1_conv1/0"], 2, "names filters"),
        (["vgg16", "-o", "x.gif"], 2, "cannot write a chart to 'x.gif'"),
        (["vgg16", "-o", "folder"], 2, "cannot write a chart to 'folder'"),
        (["a/b/c/d/e"], 2, "not an address"),
    ],
)
def test_wrong_use(run: Run, words: list[str], code: int, said: str) -> None:
    failed, error, hint = run("stats", *words).failure
    assert (failed, said in error) == (code, True), error
    assert hint
    assert not Path("x.gif").exists()


def test_a_model_without_metrics(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_CATALOG", str(tmp_path / "catalog.db"))
    assert run("add", "classic", "--metric", "basic").exit_code == 0
    ran = run("stats", "classic")
    assert ran.exit_code == 0
    assert "classic lacks requested metrics: `filterkit measure classic`" in ran.stderr
    code, error, hint = run("stats", "classic", "-o", "x.png").failure
    assert (code, error) == (1, "classic has no metrics")
    assert "filterkit measure classic" in hint


def test_more_layers_than_one_chart_can_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "MOST_LAYERS", 20)
    code, error, hint = run("stats", "*", "-o", "x.png").failure
    assert (code, error) == (2, "26 layers do not fit into one chart; the limit is 20")
    assert hint
    with (
        filterkit.open() as bench,
        pytest.raises(filterkit.UsageError, match="cannot write a chart as 'gif'"),
    ):
        bench.stats_chart("vgg16", "gif")
