"""Pages that are sent before their results are there, and rows that are sent while they are read."""

from __future__ import annotations

import csv
import http.client
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import numpy as np
import onnx
import pytest
from explorer import Explorer, exploring
from onnx_graphs import build, node

import filterkit
from filterkit.web.streaming import MARK

FILTERS = 20_000
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """The explorer on a model with so many filters that their rows are many chunks."""
    folder = tmp_path_factory.mktemp("large")
    weights = np.random.default_rng(0).normal(size=(FILTERS, 1, 3, 3)).astype(np.float32)
    onnx.save(
        build([node("Conv", "x w", "y", name="conv")], {"x": [1, 1, 8, 8]}, {"w": weights}),
        folder / "net.onnx",
    )
    with filterkit.open(folder / "catalog.db", progress=False) as bench:
        bench.add(folder / "net.onnx", metrics=["basic"])
    with exploring(folder / "catalog.db") as explorer:
        yield explorer


def opened(explorer: Explorer, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A response whose body has not been read yet."""
    connection = http.client.HTTPConnection(explorer.host, explorer.port, timeout=60)
    connection.request("GET", path, headers={"Cookie": explorer.cookie})
    return connection, connection.getresponse()


def test_a_page_is_there_before_its_results(classic: Explorer) -> None:
    connection, response = opened(classic, f"/sql?sql={quote(ENDLESS)}")
    first = response.read1().decode()
    assert response.status == 200 and "<textarea" in first and "Searching…" in first
    assert 'role="alert"' not in first and "</html>" not in first
    with ThreadPoolExecutor(1) as pool:  # pages of models do not wait for it
        assert pool.submit(classic.get, "/m/classic").result().status == 200
        # Nor do those of other searches, which follow it.
        other, second = opened(classic, "/filters?where=dead%20%3D%200")
        assert "Searching…" in second.read1().decode()
        rest = response.read().decode()
        assert 'role="alert"' in rest and rest.rstrip().endswith("</html>")
        assert "13 filters" in second.read().decode()
        other.close()
    assert (first + rest).count("<main") == (first + rest).count("</main>") == 1
    assert (first + rest).count(MARK) == 0 or MARK not in rest
    connection.close()


def test_an_error_of_another_kind_ends_the_page_as_well(classic: Explorer) -> None:
    """The server is stopped while the page waits."""
    with exploring(classic_of(classic)) as explorer:
        connection, response = opened(explorer, f"/sql?sql={quote(ENDLESS)}")
        assert "Searching…" in response.read1().decode()
        assert explorer.stop() == (130, "interrupted\n")
        assert "the server was stopped" in response.read().decode()
        connection.close()


def classic_of(explorer: Explorer) -> Path:
    command = explorer.process.args
    assert isinstance(command, list)
    return Path(str(command[command.index("--catalog") + 1]))


def test_results_that_are_quick_are_part_of_the_page(classic: Explorer) -> None:
    answer = classic.get_whole("/filters")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert "Searching…" not in answer.text
    assert classic.get_whole("/filters?where=x").status == 400


@pytest.mark.parametrize("path", ["/filters", "/m/net/conv"])
def test_rows_are_sent_while_they_are_read(large: Explorer, path: str) -> None:
    connection, response = opened(large, f"{path}?format=json&where=filter%20%3E%3D%20100")
    first = response.read1()
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Type"] == "application/json"
    assert large.get("/m/net/conv").status == 200, "which does not wait for who reads the rows"
    rows = json.loads(first + response.read())
    assert [row["filter"] for row in rows] == [*range(100, FILTERS)]
    connection.close()
    table = list(csv.DictReader(io.StringIO(large.get(f"{path}?format=csv").text)))
    assert len(table) == FILTERS


def test_who_leaves_early_is_no_burden(large: Explorer) -> None:
    for _ in range(3):
        connection, response = opened(large, "/filters?format=json")
        assert response.read1().startswith(b"[")
        response.close()
        connection.close()
    assert len(large.get("/filters?format=json&where=filter%20%3C%2010").json) == 10
    assert len(large.get("/filters?format=json").json) == FILTERS


def test_an_error_among_the_rows_ends_them(large: Explorer) -> None:
    import sqlite3
    from contextlib import closing

    catalog = classic_of(large)
    with closing(sqlite3.connect(catalog)) as database, database:
        database.execute(f"UPDATE filter SET mean = 'x' WHERE position = {FILTERS - 1}")
    try:
        answer = large.get("/filters?format=json")
        assert answer.status == 200 and "# the rows end here" in answer.text
        with pytest.raises(json.JSONDecodeError):
            assert answer.json
    finally:
        with closing(sqlite3.connect(catalog)) as database, database:
            database.execute(f"UPDATE filter SET mean = 0 WHERE position = {FILTERS - 1}")


def test_wrong_rows_are_errors(large: Explorer) -> None:
    answer = large.get("/filters?format=json&where=x")
    assert answer.status == 400 and set(answer.json) == {"error", "hint"}
