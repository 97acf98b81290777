"""Queries for the tests of free SQL."""

from __future__ import annotations

from typing import Any

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query

ENDLESS = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT {} FROM r"


def run(catalog: Catalog, sql: str, **options: Any) -> list[dict[str, Any]]:
    return list(query(catalog, sql, **options)[1])


COUNTING = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r LIMIT {}) SELECT i FROM r"
