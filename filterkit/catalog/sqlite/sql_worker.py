"""The process that runs free SQL (see `filterkit.catalog.sql`): plain Python, with only the standard library.

    python -I -S sql_worker.py

Neither SQLite's time nor its memory can be limited in a process that does other work: a single step cannot be
interrupted, and the heap limit applies to the whole process. So it runs in its own, which can be killed at
any time.

The request on stdin is REQUEST, the URIs to try and the statement. The answers on stdout are frames, a HEADER
followed by as many bytes as it states: READY once the clock runs, COLUMNS, then any number of ROWS, and END;
or FAILED at any point. After each ROWS a byte on stdin requests the next, so that at most one is prepared in
advance. The end of stdin ends the process, whatever it is doing.
"""

import faulthandler
import math
import os
import signal
import sqlite3
import struct
import sys
import threading
import time
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

REQUEST = struct.Struct("<dQQQQQ")
"""Seconds, rows, bytes of one value and of all results, and the lengths of the URIs and of the statement."""
HEADER = struct.Struct("<BQ")
READY, COLUMNS, ROWS, END, FAILED = range(5)
BATCH = struct.Struct("<dI")
"""Precedes the columns of a batch: the seconds that SQLite has worked so far, and the number of rows."""
FAILURE = struct.Struct("<Bi")
"""Precedes the message of a failure: which one it is, and SQLite's error code."""
BY_SQLITE, BY_TIME, BY_MEMORY, BY_RESULTS, BY_ROW, BY_NAMES, NO_ROWS = range(7)

LENGTH = struct.Struct("<Q")
INTEGER, REAL, TEXT, BLOB, NULL, MIXED = range(6)

HEAP = 512 << 20
"""Bytes that SQLite may allocate. Sorting and grouping need little of it: larger data goes into files."""
COPIES = 8
"""How many copies of one value may be allocated in addition."""
PYTHON = 512 << 20
"""Bytes of address space for everything else, where the system supports such a limit."""
TEMPORARY = 8 << 30
"""Bytes of one temporary file. Sorting four million rows of the largest table takes 1 GB."""
ROW_ROOM = 8_000_000
"""Bytes by which a row may be larger than its largest value."""
NAMES = 1_000_000
"""Bytes of all names of columns: more than any statement has, unless it multiplies them."""
LONGEST_SQL = 1_000_000
LONGEST_MESSAGE = 300

BATCH_BYTES = 256 << 10
BATCH_SECONDS = 0.25
"""After this time rows are sent, however few."""
NUMBER_BYTES = 8
ROW_BYTES = 64
"""What a value and a row add to the size of results. Texts add their length as well, and blobs twice theirs,
as they become hexadecimal text."""

GRACE = 0.5
"""Seconds after the time limit when this process ends itself, in case its parent does not kill it."""
TIMED_OUT, BROKEN = 1, 3
"""The exit codes for that, and for errors that the statement did not cause."""
LONGEST_TIMER = 1_000_000.0

LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_SQL,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 1_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Where SQLite's own limits are far above the needs of any statement. Its limits on the depth of expressions
(1000), the number of columns (2000), of SELECTs in a compound (500) and of arguments (127) are fine."""

CANNOT_WRITE = frozenset(
    (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
)
"""SQLite's error codes where it cannot create a file beside a database that it reads: the folder is not
writable, or the disk is full."""

ALLOWED = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
FORBIDDEN_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer"))


class Text(bytes):
    """A text as SQLite stores it; it is decoded by the process that reads it, and may be invalid UTF-8."""


KINDS: dict[type, int] = {int: INTEGER, float: REAL, Text: TEXT, bytes: BLOB, type(None): NULL}


class Failed(Exception):
    """Its argument is which failure it is."""


class Clock:
    """Measures the time that SQLite works; `used` is the total so far in seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.used = 0.0
        self.started = 0.0

    def __enter__(self) -> None:
        left = self.seconds - self.used
        if left <= 0:
            raise Failed(BY_TIME)
        if left < math.inf:
            faulthandler.dump_traceback_later(min(left + GRACE, LONGEST_TIMER), exit=True)
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.used += time.monotonic() - self.started


def main() -> None:
    # The parent handles Ctrl-C and kills this process. On Windows it cannot do so while it waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.name == "posix" else signal.SIG_DFL)
    seconds, rows, value, results, *lengths = REQUEST.unpack(sys.stdin.buffer.read(REQUEST.size))
    uris, sql = (sys.stdin.buffer.read(length).decode() for length in lengths)
    limit_process(seconds, value, results)
    requested = threading.Semaphore(0)
    threading.Thread(target=listen, args=(requested,), daemon=True).start()
    send(READY)
    clock = Clock(seconds)
    try:
        with clock:
            connection = connect(uris.split("\n"), value)
            cursor = connection.execute(sql)
            names = columns(cursor)
        send(COLUMNS, LENGTH.pack(len(names)), pack(names))
        send_results(cursor, clock, requested, rows, value, results)
    except Failed as failure:
        fail(failure.args[0])
    except MemoryError:
        fail(BY_MEMORY)
    except (sqlite3.Error, sqlite3.Warning, ValueError, TypeError) as error:
        fail(BY_SQLITE, getattr(error, "sqlite_errorcode", 0), str(error))


def listen(requested: threading.Semaphore) -> None:
    """Pass on requests for the next rows; end this process together with its parent."""
    while os.read(sys.stdin.fileno(), 1):
        requested.release()
    signal.raise_signal(getattr(signal, "SIGKILL", signal.SIGTERM))  # whatever SQLite is doing


def limit_process(seconds: float, value: int, results: int) -> None:
    """Limit memory, time and disk space where the system supports it; write no core dump."""
    with suppress(ImportError):
        import resource

        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: TEMPORARY,
            resource.RLIMIT_AS: HEAP + PYTHON + 2 * COPIES * value,
        }
        if seconds < LONGEST_TIMER:  # sending rows takes time as well: about 100 MB per second
            limits[resource.RLIMIT_CPU] = math.ceil(seconds) + 60 + min(results, 1 << 50) // 100_000_000
        for which, wanted in limits.items():
            with suppress(ValueError, OSError):
                _, most = resource.getrlimit(which)
                most = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
                resource.setrlimit(which, (most, most))


def connect(uris: Sequence[str], value: int) -> sqlite3.Connection:
    """A read-only connection to the first of `uris` that can be opened."""
    for number, uri in enumerate(uris, 1):
        connection = sqlite3.connect(uri, uri=True, timeout=60.0, isolation_level=None)
        try:
            lock_down(connection, value)
        except sqlite3.OperationalError as error:
            connection.close()
            if number == len(uris) or error.sqlite_errorcode & 0xFF not in CANNOT_WRITE:
                raise
        else:
            return connection
    raise AssertionError("at least one URI is given")


def lock_down(connection: sqlite3.Connection, value: int) -> None:
    connection.text_factory = Text
    # Temporary b-trees are files: in memory, sorting a large catalog would exceed the heap limit. SQLite
    # unlinks them once they are open, so that none is left when this process is killed.
    for pragma in (
        f"hard_heap_limit = {HEAP + COPIES * value}",
        "temp_store = FILE",
        "query_only = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
    for limit, most in LIMITS.items():
        connection.setlimit(limit, most)
    # The table-valued functions that read JSON are declared at first use, which the authorizer would refuse.
    connection.execute("SELECT 1 FROM sqlite_master, json_each('[]'), json_tree('[]')").close()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, value)  # not of the schema, which has been read by now
    connection.set_authorizer(authorize)


def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY


def columns(cursor: sqlite3.Cursor) -> list[Text]:
    if cursor.description is None:
        raise Failed(NO_ROWS)
    names = [Text(column[0].encode("utf-8", "replace")) for column in cursor.description]
    if sum(map(len, names)) > NAMES:
        raise Failed(BY_NAMES)
    return names


def send_results(
    cursor: sqlite3.Cursor, clock: Clock, requested: threading.Semaphore, rows: int, value: int, results: int
) -> None:
    """Send the rows in batches; those before a failure are sent before it."""
    done = False
    while not done:
        batch: list[tuple[Any, ...]] = []
        try:
            with clock:
                done, size = take(cursor, batch, rows, 2 * value + ROW_ROOM, results)
        except MemoryError:
            raise
        except Exception:
            send_rows(batch, clock)
            raise
        rows -= len(batch)
        results -= size
        send_rows(batch, clock)
        if not done:
            requested.acquire()
    send(END)


def take(
    cursor: sqlite3.Cursor, batch: list[tuple[Any, ...]], rows: int, largest: int, results: int
) -> tuple[bool, int]:
    """Fill `batch`; returns whether these are the last rows, and their size."""
    total, least = 0, ROW_BYTES + NUMBER_BYTES * len(cursor.description)
    due = time.monotonic() + BATCH_SECONDS
    for row in islice(cursor, rows):
        size = least + sum(
            [
                len(value) if type(value) is Text else 2 * len(value)
                for value in row
                if type(value) is Text or type(value) is bytes
            ]
        )
        if size > largest:
            raise Failed(BY_ROW)
        total += size
        if total > results:
            raise Failed(BY_RESULTS)
        batch.append(row)
        if total >= BATCH_BYTES or time.monotonic() > due:
            return len(batch) == rows, total
    return True, total


def send_rows(batch: Sequence[tuple[Any, ...]], clock: Clock) -> None:
    if batch:
        packed = [pack(column) for column in zip(*batch, strict=True)]
        counted = (part for column in packed for part in (LENGTH.pack(len(column)), column))
        send(ROWS, BATCH.pack(clock.used, len(batch)), *counted)


def pack(column: Sequence[Any]) -> bytes:
    """The kind of the values, or MIXED and the kind of each; integers, reals, string lengths, strings."""
    kinds = set(map(type, column))
    if len(kinds) == 1:
        [kind] = map(KINDS.__getitem__, kinds)
        head = bytes([kind])
        integers: Iterable[int] = column if kind == INTEGER else ()
        reals: Iterable[float] = column if kind == REAL else ()
        strings: Sequence[bytes] = column if kind in (TEXT, BLOB) else ()
    else:
        head = bytes([MIXED, *map(KINDS.__getitem__, map(type, column))])
        integers = [value for value in column if type(value) is int]
        reals = [value for value in column if type(value) is float]
        strings = [value for value in column if isinstance(value, bytes)]
    lengths = array("Q", map(len, strings))
    return b"".join(
        (head, array("q", integers).tobytes(), array("d", reals).tobytes(), lengths.tobytes(), *strings)
    )


def send(kind: int, *parts: bytes) -> None:
    output = sys.stdout.buffer
    output.write(HEADER.pack(kind, sum(map(len, parts))))
    for part in parts:
        output.write(part)
    output.flush()


def fail(which: int, code: int = 0, message: str = "") -> None:
    send(FAILED, FAILURE.pack(which, code), message[:LONGEST_MESSAGE].encode("utf-8", "replace"))


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # not 1, which is faulthandler's TIMED_OUT
        sys.exit(BROKEN)
