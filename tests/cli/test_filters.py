"""``filterkit filters``: conditions, order, limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run

import filterkit
from filterkit.catalog.schema import METRIC_COLUMNS

KEYS = ["address", "model", "layer", "filter", "label", "bias", *METRIC_COLUMNS]

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> Path:
    return catalog


def test_all_filters_of_vgg16_and_their_measurements(run: Run, catalog: Path) -> None:
    rows = run("filters", "vgg16", "--format", "json").rows
    assert len(rows) == 4224
    assert all(list(row) == KEYS for row in rows)
    assert len({row["address"] for row in rows}) == 4224
    with filterkit.open(catalog) as bench:
        bank, bias = bench.bank("vgg16/block1_conv1").astype(np.float64), bench.bias("vgg16/block1_conv1")
    first = rows[:64]
    flat = bank.reshape(64, -1)
    for name, values in {
        "bias": bias,
        "mean": flat.mean(1),
        "std": flat.std(1),
        "min": flat.min(1),
        "max": flat.max(1),
        "l1_norm": np.abs(flat).sum(1),
        "l2_norm": np.sqrt((flat**2).sum(1)),
    }.items():
        np.testing.assert_allclose([row[name] for row in first], values, rtol=1e-6, atol=1e-9, err_msg=name)


def test_where_sort_and_limit(run: Run) -> None:
    every = run("filters", "vgg16/block5_*", "--format", "json").rows
    strong = run(
        *("filters", "vgg16/block5_*", "--where", "l2_norm > 0.6 and bias < 0"),
        *("--sort", "-sparsity", "--limit", "7", "--format", "json"),
    ).rows
    expected = [row for row in every if row["l2_norm"] > 0.6 and row["bias"] < 0]
    assert 7 <= len(expected) < len(every)
    assert len(strong) == 7
    assert all(row in expected for row in strong)
    best = sorted((row["sparsity"] for row in expected), reverse=True)[:7]
    assert [row["sparsity"] for row in strong] == best
    weakest = run("filters", "vgg16/block5_*", "--sort", "l2_norm", "--limit", "1", "--format", "json").rows
    assert weakest[0]["l2_norm"] == min(row["l2_norm"] for row in every)


def test_a_condition_may_name_the_layers_columns(run: Run) -> None:
    rows = run("filters", "vgg16", "--where", "in_channels = 3 and filter < 2", "--format", "json").rows
    assert [row["address"] for row in rows] == ["vgg16/block1_conv1/0", "vgg16/block1_conv1/1"]


@pytest.mark.parametrize(
    ("address", "filters"),
    [("vgg16/block1_conv1/5", [5]), ("vgg16/block1_conv1/::32", [0, 32]), ("vgg16/block1_conv1/1,3", [1, 3])],
)
def test_addresses_pick_filters(run: Run, address: str, filters: list[int]) -> None:
    assert [row["filter"] for row in run("filters", address, "--format", "json").rows] == filters


def test_no_filter_fits(run: Run) -> None:
    ran = run("filters", "vgg16", "--where", "l2_norm > 1000000", "--format", "json")
    assert ran.rows == []
    assert run("filters", "vgg16", "--limit", "0", "--format", "json").rows == []


@pytest.mark.parametrize(
    ("words", "close"),
    [
        (["--where", "l2norm > 1"], "'l2_norm'"),
        (["--sort", "-sparcity"], "'sparsity'"),
        (["--where", "l2_norm >"], ""),
        (["--where", "1; drop table model"], ""),
        (["--where", "l2_norm > (select 1)"], ""),
    ],
)
def test_wrong_conditions_are_wrong_use(run: Run, words: list[str], close: str) -> None:
    code, _, hint = run("filters", "vgg16", *words).failure
    assert code == 2
    assert close in hint


def test_options_out_of_range(run: Run) -> None:
    ran = run("filters", "vgg16", "--limit", "-1")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--limit" in ran.stderr


def test_columns_in_every_format(run: Run) -> None:
    words = ("filters", "vgg16", "--columns", "in_channels, address,l2_norm", "--limit", "2")
    rows = run(*words, "--format", "json").rows
    assert [list(row) for row in rows] == [["in_channels", "address", "l2_norm"]] * 2
    assert run(*words, "--format", "csv").stdout.splitlines()[0] == "in_channels,address,l2_norm"
    table = run(*words)
    assert table.stdout.split()[:3] == ["in_", "l2_", "channels"]
    assert table.stderr == "", "nothing is left out"
    code, error, hint = run("filters", "vgg16", "--columns", "address,l2norm").failure
    assert (code, error) == (2, "there is no column 'l2norm'")
    assert "'l2_norm'" in hint


def test_what_is_sorted_by_is_shown(run: Run) -> None:
    assert "sparsity" in run("filters", "vgg16", "--sort", "-sparsity", "--limit", "1").stdout
    assert "sparsity" not in run("filters", "vgg16", "--limit", "1").stdout


@pytest.mark.parametrize("name", ["table", "json", "ndjson", "csv", "tsv"])
def test_counting_gives_one_row_in_every_format(run: Run, name: str) -> None:
    ran = run("filters", "vgg16", "--count", "--format", name)
    assert ran.exit_code == 0
    number = "4,224" if name == "table" else "4224"
    assert next(word for word in ran.stdout.split() if "4" in word).strip("}") == number
    assert "filters" in ran.stdout


def test_grouping(run: Run) -> None:
    rows = run("filters", "vgg16", "--group-by", "layer", "--format", "json").rows
    assert len(rows) == 13
    assert list(rows[0]) == ["address", "model", "layer", "filters", "share"]
    assert sum(row["filters"] for row in rows) == 4224
    words = ("filters", "vgg16", "--where", "l2_norm > 1", "--group-by", "layer", "--sort", "-rate")
    strong = run(*words, "--format", "json").rows
    assert list(strong[0]) == ["address", "model", "layer", "filters", "share", "total", "rate"]
    assert [row["rate"] for row in strong] == sorted((row["rate"] for row in strong), reverse=True)
    assert run(*words).stdout.split()[:5] == ["address", "filters", "share", "total", "rate"]
    models = run("filters", "*", "--group-by", "model", "--format", "json").rows
    assert [(row["model"], row["filters"]) for row in models] == [("vgg16", 4224), ("classic", 13)]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--count", "--limit", "0"], "--limit"),
        (["--count", "--sort", "l2_norm"], "--sort"),
        (["--count", "--columns", "address"], "--columns"),
        (["--count", "--group-by", "layer"], "--group-by"),
        (["--count", "--group-by", "layer", "--agg", "mean:bias"], "--group-by"),
        (["--count", "--agg", "mean:bias"], "--agg"),
    ],
)
def test_options_that_say_nothing_beside_each_other(run: Run, words: list[str], named: str) -> None:
    code, error, hint = run("filters", "vgg16", *words).failure
    assert code == 2
    assert error.startswith(f"{named} has no effect with --")
    assert hint


def test_grouping_by_what_is_no_group(run: Run) -> None:
    code, error, hint = run("filters", "vgg16", "--group-by", "layers").failure
    assert (code, error) == (2, "there is no column 'layers'")
    assert "'layer'" in hint


def test_aggregates_of_groups(run: Run) -> None:
    words = ["filters", "vgg16", "--where", "l2_norm > 0.5", "--agg", "mean:l2_norm,count:filter"]
    rows = run(*words, "--group-by", "kernel_shape,in_channels", "--format", "json").rows
    found = run(*words[:4], "--columns", "in_channels,l2_norm", "--format", "json").rows
    norms: dict[int, list[float]] = {}
    for row in found:
        norms.setdefault(row["in_channels"], []).append(row["l2_norm"])
    assert {row["in_channels"]: (row["kernel_shape"], row["count_filter"]) for row in rows} == {
        channels: ([3, 3], len(values)) for channels, values in norms.items()
    }
    for row in rows:
        assert row["mean_l2_norm"] == pytest.approx(np.mean(norms[row["in_channels"]]), rel=1e-12)
    words += ["--group-by", "layer", "--sort", "-mean_l2_norm,layer", "--limit", "2"]
    table = run(*words).stdout
    assert table.split()[: table.split().index("address")] == ["mean_", "l2_", "count_"]
    assert run(*words, "--columns", "layer,count_filter", "--format", "csv").stdout.splitlines() == [
        "layer,count_filter",
        "block1_conv1,62",
        "block1_conv2,60",
    ]
    assert run(*words[:4], "--agg", "mean:l2_norm").failure == (
        2,
        "--agg has no effect without --group-by",
        "e.g. --group-by layer",
    )


@pytest.mark.parametrize("empty", ["", ","])
@pytest.mark.parametrize(
    "option",
    [["--columns"], ["--sort"], ["--group-by"], ["--group-by", "model", "--agg"], ["--count", "--sort"]],
)
def test_empty_names_are_refused(run: Run, option: list[str], empty: str) -> None:
    code, message, hint = run("filters", "vgg16", *option, empty).failure
    assert code == 2 and hint
    assert "contains no name" in message or "has no effect with --count" in message


def test_an_offset(run: Run) -> None:
    columns = ("vgg16/block1_conv1", "--columns", "address", "--format", "json")
    every = run("filters", *columns, "--sort=-l2_norm").rows
    assert run("filters", *columns, "--sort=-l2_norm", "--limit", "5", "--offset", "60").rows == every[60:]
    assert run("filters", *columns, "--offset", "64").rows == []
    for other in ("--count", "--group-by=layer"):
        assert "--offset has no effect with" in run("filters", other, "--offset", "1").stderr
