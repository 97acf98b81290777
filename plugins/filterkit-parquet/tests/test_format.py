"""The output format: files that commands write, read by pyarrow, DuckDB and Polars."""

from __future__ import annotations

import io
import json
import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import filterkit
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filterkit.testing import check_format

from filterkit_parquet.output import Parquet
from filterkit_parquet.writing import ROW_GROUP, write_parquet


def written(rows: list[dict[str, Any]], columns: list[str], **more: Any) -> pa.Table:
    file = io.BytesIO()
    assert write_parquet(iter(rows), columns, file, **more) == len(rows)
    return pq.read_table(io.BytesIO(file.getvalue()))


def column(*values: Any) -> pa.ChunkedArray:
    return written([{"x": value} for value in values], ["x"])["x"]


def test_it_passes_the_checks_of_formats() -> None:
    check_format(Parquet)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((1, None, -(2**63)), pa.int64()),
        ((0.5, None, math.inf), pa.float64()),
        ((1, 2.5), pa.float64()),
        ((True, None), pa.bool_()),
        (("a", "層", ""), pa.string()),
        (([3, 3], [], None), pa.list_(pa.int64())),
        (([1, 2.5],), pa.list_(pa.float64())),
        (([["a"], []],), pa.list_(pa.list_(pa.string()))),
        (([], []), pa.list_(pa.null())),
        ((None, None), pa.null()),
        ((b"\x00\xff",), pa.binary()),
    ],
)
def test_values_keep_their_type(values: tuple[Any, ...], kind: pa.DataType) -> None:
    found = column(*values)
    assert found.type == kind
    assert found.to_pylist() == list(values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((1, "a", None), ["1", "a", None]),
        ((True, 2), ["true", "2"]),
        (([1, 2], "a", 0.5), ["[1, 2]", "a", "0.5"]),
        (({"scale": 1}, [3]), ['{"scale": 1}', "[3]"]),
        ((2**63, 1), [str(2**63), "1"]),
        ((["N", 64, None],), [["N", "64", None]]),
    ],
)
def test_what_has_no_type_of_its_own_is_text(values: tuple[Any, ...], text: list[Any]) -> None:
    assert column(*values).to_pylist() == text


def test_nan_stays_and_is_not_missing() -> None:
    nan, missing = column(math.nan, None).to_pylist()
    assert math.isnan(nan)
    assert missing is None


def test_a_type_may_show_only_in_a_later_row_group() -> None:
    rows = [{"x": None, "y": 1, "z": []} for _ in range(ROW_GROUP)] + [{"x": "late", "y": 0.5, "z": [1.5]}]
    file = io.BytesIO()
    write_parquet(iter(rows), ["x", "y", "z"], file)
    read = pq.ParquetFile(io.BytesIO(file.getvalue()))
    assert read.num_row_groups == 2
    assert read.schema_arrow.types == [pa.string(), pa.float64(), pa.list_(pa.float64())]
    assert read.read().slice(ROW_GROUP - 1).to_pylist() == [{"x": None, "y": 1.0, "z": []}, rows[-1]]


def test_nothing_is_written_before_the_rows_are_read() -> None:
    def broken() -> Any:
        yield {"x": 1}
        raise RuntimeError

    file = io.BytesIO()
    with pytest.raises(RuntimeError):
        write_parquet(broken(), ["x"], file)
    assert file.getvalue() == b""


def test_no_rows_are_a_file_with_columns() -> None:
    table = written([], ["a", "b"], known={"b": pa.float64()})
    assert (table.num_rows, table.schema.types) == (0, [pa.null(), pa.float64()])


def test_types_of_python_subclasses() -> None:
    class Number(float):
        pass

    assert filterkit.arrow_types({"x": [Number(1), 2]}) == {"x": pa.float64()}


def test_columns_of_the_catalog_have_the_same_type_in_every_file() -> None:
    rows = [{"output_shape": [1, 64, 8, 8], "receptive_field": 3, "label": None, "kernel_shape": []}]
    types = [pa.list_(pa.string()), pa.float64(), pa.string(), pa.list_(pa.int64())]
    assert written(rows, list(rows[0])).schema.types == types
    assert written([], list(rows[0])).schema.types == types


def test_columns_with_a_name_of_the_catalog_and_other_values_keep_their_own_type() -> None:
    rows = [{"label": None, "filters": None}] * ROW_GROUP + [{"label": 1, "filters": [3, 5]}]
    assert written(rows, ["label", "filters"]).schema.types == [pa.int64(), pa.list_(pa.int64())]


def test_declared_types_are_those_of_columns_without_values() -> None:
    own = {"cosine": float, "moved": int, "shape": list[int], "other": str}
    columns = ["cosine", "moved", "shape", "x"]
    types = [pa.float64(), pa.int64(), pa.list_(pa.int64()), pa.null()]
    assert written([], columns, own=own).schema.types == types
    assert written([dict.fromkeys(columns)], columns, own=own).schema.types == types
    whole = [{"cosine": 1, "moved": 0.5, "shape": [], "x": None}]
    assert written(whole, columns, own=own).schema.types == [types[0], pa.float64(), *types[2:]]


def said(catalog: Path, *words: str) -> bytes:
    line = [sys.executable, "-m", "filterkit", *words, "--catalog", str(catalog)]
    return subprocess.run(line, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "command",
    [
        "models",
        "layers *",
        "layers * --skipped",
        "filters *",
        "filters * --count",
        "stats *",
        "similar plain/conv1/0/0",
        "duplicates * --threshold 0.1",
        "diff plain again",
        "query 'SELECT name, l2_norm FROM filter JOIN layer ON layer.id = layer_id'",
        "add {folder}/plain.onnx --name again --replace",
        "measure * --metric basic",
        "maps plain/conv1 {folder}/picture.png",
        "convolve plain/conv1/0/0 {folder}/picture.png -o {folder}/answer.png",
        "zoo",
        "plugins list",
        "plugins show parquet",
        "plugins doctor",
        "plugins requirements",
    ],
)
def test_commands_write_what_they_write_as_json(command: str, own: Path, tmp_path: Path) -> None:
    words = shlex.split(command.format(folder=own.parent))
    rows = json.loads(said(own, *words, "--format", "json"))
    assert rows or command in ("plugins doctor", "plugins requirements")  # which may have no rows
    path = tmp_path / "rows.parquet"
    path.write_bytes(said(own, *words, "--format", "parquet"))
    for name, values in pq.read_table(path).to_pydict().items():
        expected = [row[name] for row in rows]
        if name in ("input_shape", "output_shape"):  # numbers, and names where a size is free
            expected = [shape and list(map(str, shape)) for shape in expected]
        if name == "added_at":  # a second later
            expected = values
        assert values == expected, name
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(len(rows),)]
    assert polars.read_parquet(path).height == len(rows)


def test_columns_of_commands_have_their_declared_type(own: Path) -> None:
    """Also without rows, or without a value."""
    for condition in ("cosine > 2", "moved is null"):
        words = ("diff", "plain", "again", "--where", condition, "--format", "parquet")
        table = pq.read_table(io.BytesIO(said(own, *words)))
        with filterkit.open(own) as bench:
            assert table.schema == bench.diff("plain", "again", where=condition).to_arrow().schema
        assert table.schema.field("moved").type == pa.int64()
        assert pa.null() not in table.schema.types


def test_doctor_gives_rows(own: Path) -> None:
    """In JSON it is a single report, so there is nothing to compare with."""
    table = pq.read_table(io.BytesIO(said(own, "doctor", "--format", "parquet")))
    assert table.num_rows > 5
    assert "filterkit-parquet" in str(table.to_pylist())


def test_plugins_new_gives_rows(own: Path, tmp_path: Path) -> None:
    words = ("plugins", "new", "glow", "--kind", "metric", "--folder", str(tmp_path), "--format", "parquet")
    files = pq.read_table(io.BytesIO(said(own, *words)))["file"].to_pylist()
    assert all((tmp_path / file).is_file() for file in files)
    assert len(files) > 5
