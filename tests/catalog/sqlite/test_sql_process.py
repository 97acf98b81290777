"""The process that a query runs in: it ends with the rows and with its parent; its output is validated."""

from __future__ import annotations

import _thread
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from free_sql import COUNTING, ENDLESS, run

from filterkit.catalog import Catalog
from filterkit.catalog.sql import query
from filterkit.catalog.sqlite import sql_process
from filterkit.errors import CatalogError, UsageError


def test_a_query_that_somebody_stops_is_no_slow_query(reading: Catalog) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored in the background
    stop = threading.Timer(0.5, _thread.interrupt_main)
    stop.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(reading, ENDLESS.format("count(*)"), timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)


LONG = "replace(hex(zeroblob(499999)), '0', 'a')"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT instr({LONG}, substr({LONG}, 1, 499999) || 'b')",
        "SELECT printf('%.*c', 2000000000, 'x')",
        "SELECT count(*) FROM (SELECT 1 FROM filter a, filter b, filter c, filter d, filter e, filter f)",
        ENDLESS.format("group_concat(i)"),
        ENDLESS.format("json_group_array(i)"),
    ],
)
def test_single_steps_of_any_length_are_stopped(reading: Catalog, sql: str) -> None:
    with pytest.raises(CatalogError, match=r"longer than 0\.2 seconds"):
        run(reading, sql, timeout=0.2)


def test_so_is_what_the_schema_of_a_catalog_hides(tmp_path: Path, shared: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(shared.read_bytes())
    with Catalog.open(path) as catalog:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE VIEW hidden AS " + ENDLESS.format("count(*)"))
        connection.close()
        with pytest.raises(CatalogError, match=r"longer than 0\.2"):
            run(catalog, "SELECT * FROM hidden", timeout=0.2)


def children(process: int | None = None) -> list[int]:
    """The children of `process`, or of this one, that were not waited for."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        if parent == (process or os.getpid()):
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("how", ["closed", "forgotten", "never begun", "read", "failed"])
def test_no_process_is_left(reading: Catalog, how: str) -> None:
    before = set(children())
    columns, rows = query(reading, ENDLESS.format("i"), limit=5000 if how == "read" else None, timeout=60)
    assert columns == ("i",) and len(set(children()) - before) == 1
    if how == "closed":
        next(rows)
        rows.close()  # type: ignore[attr-defined]
    elif how == "read":
        assert len(list(rows)) == 5000
    elif how == "failed":
        with pytest.raises(UsageError):
            query(reading, "SELECT nothing")
    if how == "forgotten":
        next(rows)
    if how in ("forgotten", "never begun", "failed"):
        del rows
    assert set(children()) == before


SCRIPT = """
import sys
import filterkit

with filterkit.open(sys.argv[1]) as bench:
    sql = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i FROM r"
    bench.iter_query(sql)
    rows = bench.iter_query(sql)[1]
    next(rows)
    assert len(bench.query(sql, limit=10)) == 10
    left = bench.iter_query(sql)[1]
    next(left)
    print("ready", flush=True)
    if len(sys.argv) > 2:
        bench.query("SELECT count(*) FROM (" + sql + ")", timeout=None)
"""


def test_nothing_is_left_open(shared: Path) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", SCRIPT, str(shared)]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ready\n", "")


def test_queries_end_with_the_process_that_asks(shared: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(shared), "on"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None and asking.stdout.readline() == b"ready\n"
        left = time.monotonic() + 60
        while len(workers := children(asking.pid)) < 3 and time.monotonic() < left:
            time.sleep(0.01)
        assert len(workers) == 3
        asking.kill()
    while any(Path(f"/proc/{each}/cmdline").exists() and is_worker(each) for each in workers):
        assert time.monotonic() < left
        time.sleep(0.01)


def is_worker(process: int) -> bool:
    try:
        return b"sql_worker" in Path(f"/proc/{process}/cmdline").read_bytes()  # empty once it has ended
    except OSError:
        return False


def test_many_at_once(reading: Catalog) -> None:
    def count(number: int) -> int:
        return len(run(reading, COUNTING.format(number), timeout=60))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(4000, 4024))) == list(range(4000, 4024))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_in_a_fork(reading: Catalog) -> None:
    _, rows = query(reading, COUNTING.format(20_000), timeout=60)
    next(rows)
    fork = os.fork()
    if fork == 0:
        code = 1
        try:
            rows.close()  # type: ignore[attr-defined]
            code = 0 if len(run(reading, COUNTING.format(5000))) == 5000 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert len(list(rows)) == 19_999


NONSENSE = {
    "silence": "",
    "a crash": "os.abort()",
    "an exit": "os._exit(7)",
    "text": "say(b'hello, this is no frame')",
    "too much": "frame(0); say(struct.pack('<BQ', 1, 1 << 60))",
    "a cut frame": "frame(0); say(struct.pack('<BQ', 1, 100) + b'x')",
    "another frame": "frame(0); frame(3)",
    "no columns": "frame(0); frame(1)",
    "many columns": "frame(0); frame(1, struct.pack('<Q', 1 << 60) + bytes([4]))",
    "many rows": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 4_000_000_000, 1) + bytes([4]))",
    "too few rows": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 9) + bytes([0]) + bytes(8))",
    "no kind": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 9) + bytes([9]) + bytes(8))",
    "no kinds": "frame(0); names(); frame(2, struct.pack('<dIQ', 0, 2, 4) + bytes([5, 9, 9, 9]))",
    "no failure": "frame(0); frame(4)",
    "no such failure": "frame(0); frame(4, bytes([99, 255, 255, 255, 255]) + b'x' * 10000)",
    "rows without end": (
        "frame(0); names()\n"
        "row = bytes([2]) + struct.pack('<Q', 10**5) + bytes(10**5)\n"
        "while True: frame(2, struct.pack('<dIQ', -5.0, 1, len(row)) + row)"
    ),
}

FALSE_WORKER = """
import os, struct, sys
def say(data): os.write(1, data)
def frame(kind, data=b""):
    sys.stdout.buffer.write(struct.pack("<BQ", kind, len(data)) + data)
    sys.stdout.flush()
def names(): frame(1, struct.pack("<QB", 1, 2) + struct.pack("<Q", 1) + b"n")
"""


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_process_that_was_taken_over_says_nothing_that_harms(
    reading: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(FALSE_WORKER + NONSENSE[kind])
    monkeypatch.setattr(sql_process, "WORKER", worker)
    with pytest.raises((CatalogError, UsageError)) as caught:
        run(reading, "SELECT 1", timeout=60, max_result="5MB")
    assert caught.value.hint and len(caught.value.message) < 500
