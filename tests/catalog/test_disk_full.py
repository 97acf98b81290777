"""A disk that becomes full at any byte of an ingest: a one-line error, nothing lost, leftovers swept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import chaos
import pytest
from tiny_models import put, write_model

from filterkit.catalog import Catalog, listings
from filterkit.catalog.sqlite.connections import explain
from filterkit.errors import CatalogError
from filterkit.ingest.commit import remove

resource = pytest.importorskip("resource")


def full_at(limit: int) -> None:
    """Limit the size of files that this process writes to `limit` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize("action", ["add", "replace", "remove"])
def test_no_room(location: Path, tmp_path: Path, action: str) -> None:
    tiny, big = write_model(tmp_path / "tiny.onnx"), write_model(tmp_path / "big.onnx", widths=(3, 30, 40))
    with Catalog.open(location, write=True) as catalog:
        put(catalog, tiny, chaos.KEPT)
        put(catalog, write_model(tmp_path / "old.onnx", seed=1), "old")

    def child(limit: int) -> None:
        with Catalog.open(location, write=True) as catalog:
            full_at(limit)
            if action == "remove":
                remove(catalog, "old")
            else:
                put(catalog, big, "old" if action == "replace" else "new", replace=action == "replace")

    before = _names(location)
    codes = []
    for limit in (0, 2_000, 10_000, 30_000, 45_000, 50_000, 70_000, 10**7):
        codes.append(chaos.ended(chaos.fork(lambda limit=limit: child(limit))))
        chaos.check(location)
        if codes[-1] == 0:
            break
        assert _names(location) == before
    assert set(codes[:-1]) == {3}, "one-line CatalogErrors"
    assert codes[-1] == 0, "the next attempt succeeds"
    assert chaos.in_store(location) == chaos.named_by_rows(location)


def _names(location: Path) -> list[str]:
    with Catalog.open(location) as catalog:
        return [row["model"] for row in listings.models(catalog)]


def test_what_sqlite_says_of_a_full_disk_is_explained(location: Path) -> None:
    for text in ("database or disk is full", "disk I/O error"):
        error = explain(location, sqlite3.OperationalError(text))
        assert isinstance(error, CatalogError)
        assert "disk space" in str(error.hint)
