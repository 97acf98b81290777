"""Compute metrics of models that are already in the catalog."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_graphs import build, node, random

import filterkit
from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.errors import CatalogError, FilterkitError, NotFoundError, PluginContractError, UsageError
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.plugins.report import warn_once

BASIC = ["mean", "std", "min", "max", "l1_norm", "l2_norm", "sparsity"]

Measure = Callable[[filterkit.FilterBank], dict[str, NDArray[Any]]]


class Loud:
    """A metric of filters and layers with values chosen by a test."""

    columns = ("loudness", "kind", "hollow")
    layer_columns = ("spread",)

    def __init__(self, measure: Measure | None = None) -> None:
        self.measure = measure or self.loud

    def loud(self, bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        numbers = np.arange(bank.out_channels, dtype=np.float64)
        return {
            "loudness": np.where(numbers == 0, np.nan, numbers),
            "kind": np.array(["odd" if n % 2 else "" for n in range(bank.out_channels)]),
            "hollow": numbers == 1,
        }

    def measure_layer(self, bank: filterkit.FilterBank) -> dict[str, float]:
        return {"spread": float(np.ptp(bank.weights)) if bank.out_channels > 1 else float("nan")}


told: list[filterkit.IngestEvent] = []
"""The events received by the plugin of `bench_with`."""


def bench_with(catalog: Path, metric: Loud | None = None, *, version: str = "1.0") -> filterkit.Workbench:
    """A workbench with the built-in plugins, and one that contributes `metric`."""

    class Plugin:
        @filterkit.hookimpl
        def filterkit_metrics(self) -> list[filterkit.Contribution[Loud]]:
            return [filterkit.Contribution("loud", "How loud", lambda: metric or Loud())]

        @filterkit.hookimpl
        def filterkit_after_ingest(self, event: filterkit.IngestEvent) -> None:
            told.append(event)

    host = load_plugins(discover=False)
    host.add(Plugin(), name="filterkit-loud", version=version)
    return filterkit.Workbench(catalog, registry=Registry(host))


def write_net(path: Path, weights: NDArray[Any]) -> Path:
    """One convolution of a picture, followed by a batch normalization."""
    constants = {
        "w": weights,
        **{name: np.abs(random(len(weights), seed=n)) for n, name in enumerate("sbmv")},
    }
    nodes = [node("Conv", "x w", "y", "conv"), node("BatchNormalization", "y s b m v", "z", "norm")]
    onnx.save(build(nodes, {"x": [1, 3, 32, 32]}, constants), path)
    return path


def rows(catalog: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall()


def contents(catalog: Path) -> list[Any]:
    return [rows(catalog, table) for table in ("model", "layer", "filter")]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """The classic kernels, with the metrics that the first filterkit had."""
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic", metrics=["basic"])
    return tmp_path / "catalog.db"


def test_what_is_measured_later_is_what_is_measured_at_once(catalog: Path, tmp_path: Path) -> None:
    with filterkit.open(catalog) as bench:
        assert {row["dead"] for row in bench.filters()} == {None}
        [row] = bench.measure("classic")
        assert (row["model"], row["filters"], row["layers"]) == ("classic", 13, 13)
        assert set(row["columns"]) == {*METRIC_COLUMNS, *LAYER_METRIC_COLUMNS} - set(BASIC) | {"sparsity"}
        [row] = bench.measure()
        assert (row["filters"], row["columns"]) == (0, [])
    with filterkit.open(tmp_path / "at once.db") as bench:
        bench.add("classic")
    assert rows(catalog, "filter") == rows(tmp_path / "at once.db", "filter")
    assert rows(catalog, "layer") == rows(tmp_path / "at once.db", "layer")
    with filterkit.open(catalog) as late, filterkit.open(tmp_path / "at once.db") as early:
        query = "select measured, extra_metrics, extra_layer_metrics, plugins from model"
        [one], [other] = late.query(query), early.query(query)
        assert set(one.pop("measured")) == set(other.pop("measured"))
        assert one == other


def test_a_plugin_that_comes_later(catalog: Path) -> None:
    with bench_with(catalog) as bench:
        [row] = bench.measure("class*", ["loud"])
        assert row["columns"] == ["loudness", "kind", "hollow", "spread"]
        [first] = bench.filters("classic/emboss")
        assert (first["loudness"], first["kind"], first["hollow"], first["dead"]) == (None, None, 0, None)
        assert bench.filters("classic", where="hollow = 0 and kind is null", sort="-loudness")
        assert bench.filters("classic", where="spread > 0") == []  # its layers have one filter each
        [row] = bench.query("select plugins, extra_metrics, extra_layer_metrics, measured from model")
        assert row["extra_metrics"] == '["loudness","kind","hollow"]'
        assert row["extra_layer_metrics"] == '["spread"]'
        assert '"filterkit-loud":{"version":"1.0","made_by":["filterkit-loud/loud"]}' in row["plugins"]
        assert '"made_by":["filterkit.metrics/basic"]' in row["plugins"]
        [row] = bench.measure()  # all that is still missing
        assert "loudness" not in row["columns"]
        assert "dead" in row["columns"]
        assert bench.filters("classic")[0]["hollow"] == 0
    with bench_with(catalog, Loud(lambda bank: Loud().loud(bank) | {"kind": np.array(["new"])})) as bench:
        bench.measure("classic", ["loud"])  # named, it is measured again
        assert {(row["kind"], row["hollow"]) for row in bench.filters()} == {("new", 0)}


def test_values_of_every_type(tmp_path: Path) -> None:
    weights = random(4, 3, 3, 3)
    with bench_with(tmp_path / "catalog.db") as bench:
        bench.add(write_net(tmp_path / "net.onnx", weights))
        found = [(row["loudness"], row["kind"], row["hollow"]) for row in bench.filters("net")]
        assert found == [(None, None, 0), (1.0, "odd", 1), (2.0, None, 0), (3.0, "odd", 0)]
        assert len(bench.filters("net", where="spread > 0 and hollow = 1")) == 1
        [row] = bench.query("select extra from layer")
        assert row["extra"] == f'{{"spread":{float(np.ptp(weights))!r}}}'


@pytest.mark.filterwarnings("error")
def test_arithmetic_that_is_not_defined_becomes_null_without_a_warning(tmp_path: Path) -> None:
    def by_nothing(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        zeros = np.zeros(bank.out_channels)
        return dict.fromkeys(Loud.columns, zeros / zeros)

    with bench_with(tmp_path / "catalog.db", Loud(by_nothing)) as bench:
        bench.add(write_net(tmp_path / "net.onnx", random(4, 3, 3, 3)))
        assert [row["loudness"] for row in bench.filters("net")] == [None] * 4


def test_weights_that_are_no_numbers_leave_nothing_where_nothing_is_known(tmp_path: Path) -> None:
    weights = random(4, 3, 3, 3)
    weights[1, 0, 0, 0], weights[2, 1, 1, 1] = np.nan, np.inf
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(write_net(tmp_path / "net.onnx", weights))
        found = bench.filters("net")
    for row in found[1:3]:
        assert row["l2_norm"] is None
    assert all(found[0][name] is not None for name in METRIC_COLUMNS if name != "opponency")
    with closing(sqlite3.connect(tmp_path / "catalog.db")) as connection:
        for name in METRIC_COLUMNS:
            kinds = {kind for (kind,) in connection.execute(f'SELECT typeof("{name}") FROM filter')}
            assert kinds <= {
                "null",
                "text" if name in ("classic_type", "classic_kernel") else "real",
                "integer",
            }


def test_the_filters_sparsity_comes_before_the_layers(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        bench.measure()
        bench.filters("*", where="orthogonality is null and stable_rank >= 1 and log_norm < 100")
        with pytest.raises(UsageError) as caught:
            bench.filters("*", where="orthogonalty > 0")
        assert "'orthogonality'" in str(caught.value.hint)
    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("UPDATE layer SET sparsity = 0.5")
        connection.execute("UPDATE filter SET sparsity = 0.25")
    with filterkit.open(catalog) as bench:
        assert len(bench.filters("*", where="sparsity = 0.25")) == 13


def raising(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
    raise RuntimeError("two\nlines")


def of_another_length(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
    return {name: np.zeros(bank.out_channels + 1) for name in Loud.columns}


def of_no_type(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
    return {name: np.array([object()] * bank.out_channels) for name in Loud.columns}


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (raising, r"plugin filterkit-loud 1.0: metric 'loud': measure\(\): RuntimeError: two lines"),
        (of_another_length, r"returned shape \(2,\) for 'loudness' of 1 filters"),
        (of_no_type, "for 'loudness', not an array of"),
    ],
)
def test_a_metric_that_fails_changes_nothing(
    catalog: Path, measure: Measure, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_once.cache_clear()
    before = contents(catalog)
    unmeasured = ["loudness", "kind", "hollow", "spread"]
    with bench_with(catalog, Loud(measure)) as bench:
        for act in (partial(bench.measure, "classic"), partial(bench.add, "classic", name="again")):
            with pytest.raises(FilterkitError, match=said) as caught:
                act(metrics=["loud"])
            assert "\n" not in caught.value.message
        assert contents(catalog) == before
        [row] = bench.measure("classic")
        assert (len(row["columns"]), row["unmeasured"]) == (20, unmeasured)
        assert bench.add("classic", name="again").unmeasured == tuple(unmeasured)
        same, again = (
            bench.query(f"select * from model where name = '{name}'")[0] for name in ("classic", "again")
        )
        assert [again[name] for name in ("measured", "plugins")] == [
            same[name] for name in ("measured", "plugins")
        ]
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(
        f"^filterkit: plugin filterkit-loud 1.0 failed: .*{said.removeprefix('plugin filterkit-loud 1.0: ')}",
        line,
    )


def test_what_a_metric_measured_before_it_failed_does_not_count(catalog: Path) -> None:
    calls = []

    def failing_late(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        calls.append(bank)
        return raising(bank) if len(calls) == 3 else Loud().loud(bank)

    with bench_with(catalog, Loud(failing_late)) as bench:
        assert bench.add("classic", name="again").unmeasured
        assert len(calls) == 3
        assert told[-1].plugins == dict.fromkeys(
            ("filterkit.sources", "filterkit.metrics"), filterkit.__version__
        ) | {"filterkit.extractors": filterkit.__version__}
        [row] = bench.query("select * from model where name = 'again'")
        assert (json.loads(row["extra_metrics"]), json.loads(row["extra_layer_metrics"])) == ([], [])
        assert bench.query("select count(*) as n from filter where extra is not null") == [{"n": 0}]
        assert bench.query("select count(*) as n from layer where extra is not null") == [{"n": 0}]


def test_a_metric_with_the_name_of_another(catalog: Path) -> None:
    before = contents(catalog)

    class Taken(Loud):
        columns = ("dead",)

    with bench_with(catalog, Taken()) as bench:
        with pytest.raises(
            PluginContractError, match=r"'dead' comes from filterkit.* and from filterkit-loud"
        ):
            bench.measure("classic", ["loud"])
        assert contents(catalog) == before
        assert len(bench.measure("classic")[0]["columns"]) == 20
        assert bench.add("classic", name="again").unmeasured == ("spread",)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_model_that_goes_while_it_is_measured(catalog: Path, replaced: bool) -> None:
    def meanwhile(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        with filterkit.open(catalog) as other:
            if replaced:
                other.add("classic", replace=True, metrics=["basic"])
            elif other.models():
                other.remove("classic")
        return Loud().loud(bank)

    with closing(sqlite3.connect(catalog)) as connection, connection:
        connection.execute("UPDATE model SET added_at = '2000-01-01T00:00:00+00:00'")
    with bench_with(catalog, Loud(meanwhile)) as bench:
        with pytest.raises(
            CatalogError, match="classic was removed or replaced by another process"
        ) as caught:
            bench.measure("classic", ["loud"])
        assert caught.value.hint == "try again"
    with filterkit.open(catalog) as bench:
        assert [row["model"] for row in bench.models()] == (["classic"] if replaced else [])
        if replaced:
            assert "loudness" not in bench.filters("*").columns


def test_banks_that_are_not_there(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        for path in catalog.with_suffix(".store").glob("banks/*"):
            path.unlink()
        with pytest.raises(CatalogError, match="weights of classic are not in the store") as caught:
            bench.measure("classic")
        assert "filterkit add classic" in str(caught.value.hint)
        assert bench.add("classic").status == "restored"
        assert bench.measure("classic")[0]["filters"] == 13


def test_what_is_not_known(catalog: Path) -> None:
    with filterkit.open(catalog) as bench:
        with pytest.raises(NotFoundError, match="no model 'clasic'") as caught:
            bench.measure("clasic")
        assert "'classic'" in str(caught.value.hint)
        for call in (
            lambda: bench.measure("classic", ["energi"]),
            lambda: bench.add("classic", metrics=["energi"]),
        ):
            with pytest.raises(UsageError, match="unknown metric 'energi'") as wrong:
                call()
            assert "'energy'" in str(wrong.value.hint)
    with (
        filterkit.open(catalog.with_name("none.db")) as bench,
        pytest.raises(CatalogError, match="no catalog"),
    ):
        bench.measure("classic")
    assert not catalog.with_name("none.db").exists()


def test_the_bank_that_was_stored_is_the_bank_that_was_extracted(tmp_path: Path) -> None:
    seen: list[filterkit.FilterBank] = []

    def watch(bank: filterkit.FilterBank) -> dict[str, NDArray[Any]]:
        seen.append(bank)
        return Loud().loud(bank)

    with bench_with(tmp_path / "catalog.db", Loud(watch)) as bench:
        bench.add(write_net(tmp_path / "net.onnx", random(4, 3, 3, 3)))
        bench.measure("net", ["loud"])
    extracted, stored = seen
    assert stored.input_channels == ("R", "G", "B")
    assert stored.batchnorm is not None
    assert extracted.batchnorm is not None
    np.testing.assert_array_equal(stored.batchnorm.scale, extracted.batchnorm.scale)
    np.testing.assert_array_equal(stored.batchnorm.shift, extracted.batchnorm.shift)
    assert not stored.batchnorm.folded
    for field in dataclasses.fields(filterkit.FilterBank):
        one, other = getattr(extracted, field.name), getattr(stored, field.name)
        if field.name != "batchnorm":
            assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other, field.name
