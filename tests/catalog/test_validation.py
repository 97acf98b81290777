"""Values in rows that no filterkit writes: found by doctor, and never listed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tiny_models import put, write_model

import filterkit
from filterkit.catalog import Catalog
from filterkit.errors import CatalogError

WRONG = {
    "text in the place of a number": "UPDATE filter SET mean = 'abc'",
    "blob in the place of a text": "UPDATE filter SET label = x'00ff'",
    "infinite": "UPDATE filter SET l2_norm = 9e999",
    "seven times dead": "UPDATE filter SET dead = 7",
    "no JSON": "UPDATE layer SET input_channels = '{bad'",
    "other JSON": "UPDATE layer SET pads = '[\"a\"]'",
    "no name": "UPDATE layer SET name = '..' WHERE name = 'conv1'",
    "a name with a slash": "UPDATE layer SET name = 'a/b' WHERE name = 'conv1'",
    "too many filters": "UPDATE layer SET filters = 500000, kernels = 500000",
    "another shape": "UPDATE layer SET kernel_shape = '[9,9]'",
    "a negative count": "UPDATE layer SET kernels = -1",
    "a deep list": "UPDATE layer SET strides = '" + "[" * 100_000 + "]" * 100_000 + "'",
    "no plugins": "UPDATE model SET plugins = '[]'",
}


@pytest.mark.parametrize("what", WRONG)
def test_doctor_finds_what_no_filterkit_writes(location: Path, what: str) -> None:
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(location.with_name("tiny.onnx")), plugins={})
    with filterkit.open(location) as bench:
        assert bench.examine()["faults"] == []
    with closing(sqlite3.connect(location)) as connection, connection:
        connection.execute(WRONG[what])
    with filterkit.open(location) as bench:
        faults = bench.examine()["faults"]
    assert faults and all(each["do"] for each in faults), faults
    assert all("corrupted" in each["what"] for each in faults), faults


@pytest.mark.parametrize("wrong", ["l2_norm = 9e999", "l2_norm = 'x'", "l2_norm = x'00'"])
def test_numbers_that_are_none_are_not_listed(location: Path, wrong: str) -> None:
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(location.with_name("tiny.onnx")), plugins={})
    with closing(sqlite3.connect(location)) as connection, connection:
        connection.execute(f"UPDATE filter SET {wrong}")
    with filterkit.open(location) as bench, pytest.raises(CatalogError, match="corrupted"):
        bench.filters("tiny")
