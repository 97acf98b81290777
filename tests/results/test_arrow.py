"""Tables as data frames: pyarrow, pandas, Polars and DuckDB."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import filterkit
from filterkit.formats.json_lines import to_json
from filterkit.results.rows import Rows
from filterkit.testing import tiny_catalog

MIXED = Rows(
    [
        {
            "number": None,
            "flag": True,
            "text": None,
            "shape": ["N", 64, "H", None],
            "bytes": 2**40,
            "x": math.nan,
        },
        {"number": 3, "flag": None, "text": "層", "shape": [1, 2], "bytes": 2**62 + 1, "x": None},
        {"number": -1, "flag": False, "text": "", "shape": None, "bytes": -(2**63), "x": 1},
    ],
    ("number", "flag", "text", "shape", "bytes", "x"),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    with filterkit.open(tiny_catalog(tmp_path_factory.mktemp("tiny"))) as opened:
        yield opened


def tables(bench: filterkit.Workbench) -> list[Rows]:
    return [
        *(bench.models(), bench.layers(), bench.skipped(), bench.filters(), bench.stats(), bench.zoo()),
        *(bench.similar("plain/conv1/0"), bench.duplicates(threshold=0.1), bench.diff("plain", "plain")),
        *(bench.filters(group_by="layer"), bench.plugin_rows(), bench.query("SELECT * FROM layer")),
    ]


def test_every_column_has_one_type() -> None:
    table = MIXED.to_arrow()
    assert table.column_names == list(MIXED.columns)
    text, integer = pa.string(), pa.int64()
    assert table.schema.types == [integer, pa.bool_(), text, pa.list_(text), integer, pa.float64()]
    assert table["shape"].to_pylist() == [["N", "64", "H", None], ["1", "2"], None]
    assert table["bytes"].to_pylist() == MIXED["bytes"]
    nan, missing, one = table["x"].to_pylist()
    assert math.isnan(nan) and missing is None and one == 1.0
    assert Rows([{"x": 2**63}, {"x": 1}], ["x"]).to_arrow()["x"].to_pylist() == [str(2**63), "1"]


def test_pandas_keeps_integers_truth_values_and_lists() -> None:
    frame = MIXED.to_pandas()
    kinds = [str(kind) for kind in frame.dtypes]
    assert kinds[:2] == ["Int64", "boolean"] and kinds[4:] == ["int64", "float64"]
    assert frame["number"].tolist()[1:] == [3, -1] and frame["number"].isna().tolist() == [True, False, False]
    assert frame["shape"].tolist() == [["N", "64", "H", None], ["1", "2"], None]
    assert frame["bytes"].tolist() == MIXED["bytes"]
    assert frame["text"].tolist()[1:] == ["層", ""]


def test_polars_keeps_types_and_tells_nan_from_null() -> None:
    for frame in (MIXED.to_polars(), pl.DataFrame(MIXED)):
        lists = pl.List(pl.String)
        assert frame.dtypes == [pl.Int64, pl.Boolean, pl.String, lists, pl.Int64, pl.Float64]
        assert frame["x"].null_count() == 1 and frame["x"].is_nan().sum() == 1


def test_libraries_take_every_table_as_it_is(bench: filterkit.Workbench) -> None:
    for rows in tables(bench):
        names = list(rows.columns)
        assert pl.DataFrame(rows).columns == pa.table(rows).column_names == names
        assert rows.to_pandas().shape == pl.DataFrame(rows).shape == (len(rows), len(names))
        assert len(pd.DataFrame(rows)) == len(rows)
        relation = duckdb.sql("from rows")
        assert relation.columns == names and len(relation.fetchall()) == len(rows)
    filters = bench.filters("plain")
    [(mean,)] = duckdb.sql("select avg(l2_norm) from filters where filter > 0").fetchall()
    assert mean == pytest.approx(pd.DataFrame(filters).query("filter > 0")["l2_norm"].mean())


def test_values_are_those_of_the_json_output(bench: filterkit.Workbench) -> None:
    for rows in tables(bench):
        for name, values in rows.to_arrow().to_pydict().items():
            expected = [to_json(row[name]) for row in rows]
            if name in ("input_shape", "output_shape") and rows.columns[0] != "id":
                expected = [shape and list(map(str, shape)) for shape in expected]
            assert values == expected, name


def test_columns_of_the_catalog_have_one_type_everywhere(bench: filterkit.Workbench) -> None:
    models = [row["model"] for row in bench.models()]
    layers = [pl.DataFrame(bench.layers(model)) for model in models]
    assert len({tuple(frame.schema.items()) for frame in layers}) == 1
    assert pl.concat(layers).height == len(bench.layers())
    nothing = bench.filters(where="l2_norm < 0")
    assert len(nothing) == 0
    assert pl.DataFrame(nothing).schema == pl.DataFrame(bench.filters()).schema
    assert duckdb.sql("from nothing").columns == list(nothing.columns)
    assert str(nothing.to_pandas()["dead"].dtype) == "int64"


def test_other_values_under_the_name_of_a_catalogued_column_stay() -> None:
    rows = Rows([{"label": 7, "filters": [1, 2], "l2_norm": "much", "position": None}], ("label", "filters"))
    assert rows.to_arrow().to_pylist() == [{"label": 7, "filters": [1, 2]}]
    assert Rows(list(rows), ["l2_norm", "position"]).to_polars().rows() == [("much", None)]


def test_metrics_of_plugins() -> None:
    rows = Rows([{"score": 1, "odd": True, "kind": "a"}, {"score": 0.5}, {}], ("score", "odd", "kind"))
    assert rows.to_polars().rows() == [(1.0, True, "a"), (0.5, None, None), (None, None, None)]


def test_a_schema_may_be_requested() -> None:
    rows = Rows([{"x": 1}], ["x"])
    wanted = pa.schema([("x", pa.int32())])
    assert pa.RecordBatchReader.from_stream(rows, schema=wanted).read_all().schema == wanted


@pytest.mark.parametrize(
    ("package", "call", "command"),
    [
        ("pyarrow", "to_arrow", "pip install 'cnn-filterkit[arrow]'"),
        ("pyarrow", "to_pandas", "pip install 'cnn-filterkit[arrow]'"),
        ("pandas", "to_pandas", "pip install pandas pyarrow"),
        ("polars", "to_polars", "pip install polars pyarrow"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command(
    monkeypatch: pytest.MonkeyPatch, package: str, call: str, command: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(filterkit.FilterkitError, match=f"requires {package}, which is not") as caught:
        getattr(Rows([{"x": 1}], ["x"]), call)()
    assert caught.value.hint == command


def test_tables_import_no_data_frames_before_they_are_needed(classic_catalog: Path) -> None:
    code = (
        "import json, sys, filterkit\n"
        f"rows = filterkit.open({str(classic_catalog)!r}).filters()\n"
        "repr(rows), rows[:2], rows['bias'], rows._repr_html_()\n"
        "print(json.dumps(sorted({'pandas', 'polars', 'pyarrow', 'duckdb'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def schema(rows: Rows) -> dict[str, str]:
    return {field.name: str(field.type) for field in rows.to_arrow().schema}


def test_types_of_results_do_not_depend_on_their_values(bench: filterkit.Workbench) -> None:
    layer = "plain/conv1"
    agg = "mean:l2_norm,max:l2_norm,min:dead,count:bias,max:label,sum:layer.macs"
    some = [
        *(bench.diff(layer, layer), bench.diff(layer, layer, level="filter", match="assignment")),
        *(bench.similar(f"{layer}/0"), bench.duplicates(layer, threshold=0.1), bench.plugin_rows()),
        *(bench.filters(group_by="layer,kernel_shape", agg=agg, where="filter = 0"), bench.stats()),
        *(bench.filters(columns="layer.sparsity,layer.kernel_shape"), bench.filters(count=True)),
    ]
    none = [
        *(bench.diff(layer, layer, where="cosine < -2"), bench.diff(layer, layer, level="filter", limit=0)),
        *(bench.similar(f"{layer}/0")[:0], bench.duplicates("plain/conv1/0"), bench.plugin_rows()[:0]),
        *(bench.filters(group_by="layer,kernel_shape", agg=agg, where="filter = -1"), bench.stats()[:0]),
        *(bench.filters(columns="layer.sparsity,layer.kernel_shape", limit=0), bench.filters(count=True)[:0]),
    ]
    for full, empty in zip(some, none, strict=True):
        assert not len(empty) and schema(full) == schema(empty)
        unset = type(full)._plain(full, [dict.fromkeys(full.columns)], full.columns)
        assert schema(unset) == schema(full) and "null" not in schema(full).values()
    differences = schema(some[1])
    assert differences["reason"] == "string" and differences["moved"] == "bool"
    assert schema(some[3])["filters"] == "list<item: int64>"
    assert schema(some[3] + some[2])["filters"] == "list<item: int64>"


def test_an_own_type_gives_way_to_values_that_it_cannot_hold() -> None:
    table = Rows([{"filter": [1]}, {"filter": None}], {"filter": int}).to_arrow()
    assert table.schema.types == [pa.list_(pa.int64())]
