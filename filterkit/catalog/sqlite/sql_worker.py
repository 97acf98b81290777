"""The process in which free SQL runs (see `sql`): a bare Python that knows the standard library alone.

    python -I -S sql_worker.py

Neither SQLite's time nor its memory can be bounded where others work: one step of it cannot be interrupted,
and its heap limit is the whole process's. So it has a process to itself, which may be killed at any moment.

A request on stdin is REQUEST, the URIs to try and the statement. Answers on stdout are frames, a HEADER and
what it counts: READY once the clock runs, COLUMNS, then one of ROWS after another, and END, or FAILED at any
point. After each of ROWS a byte on stdin asks for the next, so that one at most is prepared ahead. The end
of stdin ends the process, whatever it is doing.
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
"""Before the columns of a batch: the seconds that SQLite worked so far, and how many rows these are."""
FAILURE = struct.Struct("<Bi")
"""Before the words of a failure: which one, and SQLite's code of it."""
BY_SQLITE, BY_TIME, BY_MEMORY, BY_RESULTS, BY_ROW, BY_NAMES, NO_ROWS = range(7)

LENGTH = struct.Struct("<Q")
INTEGER, REAL, TEXT, BLOB, NULL, MIXED = range(6)

HEAP = 512 << 20
"""Bytes that SQLite may take. Sorting and grouping need little of it: what is larger goes into files."""
COPIES = 8
"""How many copies of one value there is room for besides."""
PYTHON = 512 << 20
"""Bytes of address space for everything else, where the system knows such a limit."""
TEMPORARY = 8 << 30
"""Bytes of one temporary file. Four million rows of the largest table take 1 GB when they are sorted."""
ROW_ROOM = 8_000_000
"""By how much a row may be larger than its largest value."""
NAMES = 1_000_000
"""Bytes of all names of columns: more than a statement has, unless it multiplies them."""
LONGEST_SQL = 1_000_000
LONGEST_MESSAGE = 300

BATCH_BYTES = 256 << 10
BATCH_SECONDS = 0.25
"""After which rows are handed over, however few."""
NUMBER_BYTES = 8
ROW_BYTES = 64
"""What a value and a row count for in the size of results. Texts count for their length more, and blobs for
twice theirs, as they become hexadecimal text."""

GRACE = 0.5
"""Seconds after its time in which this process ends itself, should nobody be there to kill it."""
TIMED_OUT, BROKEN = 1, 3
"""The exit codes of that, and of what is no fault of the statement."""
LONGEST_TIMER = 1_000_000.0

LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_SQL,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 1_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Where SQLite's own are far larger than any statement needs; its depth of expressions (1000), number of
columns (2000), of SELECTs in a compound (500) and of arguments (127) are fine."""

CANNOT_WRITE = frozenset(
    (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
)
"""What SQLite says where it can make no file beside a database that it reads: the folder is not to
be written, or the disk is full."""

ALLOWED = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
FORBIDDEN_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer"))


class Text(bytes):
    """A text as SQLite holds it: whether it is UTF-8 is looked at where it is read."""


KINDS: dict[type, int] = {int: INTEGER, float: REAL, Text: TEXT, bytes: BLOB, type(None): NULL}


class Failed(Exception):
    """Which failure it is."""


class Clock:
    """Runs while SQLite works; `used` are its seconds so far."""

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
    # Ctrl-C is for the other process, which kills this one. On Windows that one cannot while it waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.name == "posix" else signal.SIG_DFL)
    seconds, rows, value, results, *lengths = REQUEST.unpack(sys.stdin.buffer.read(REQUEST.size))
    uris, sql = (sys.stdin.buffer.read(length).decode() for length in lengths)
    limit_process(seconds, value, results)
    asked = threading.Semaphore(0)
    threading.Thread(target=listen, args=(asked,), daemon=True).start()
    send(READY)
    clock = Clock(seconds)
    try:
        with clock:
            connection = connect(uris.split("\n"), value)
            cursor = connection.execute(sql)
            names = columns(cursor)
        send(COLUMNS, LENGTH.pack(len(names)), pack(names))
        answer(cursor, clock, asked, rows, value, results)
    except Failed as failure:
        fail(failure.args[0])
    except MemoryError:
        fail(BY_MEMORY)
    except (sqlite3.Error, sqlite3.Warning, ValueError, TypeError) as error:
        fail(BY_SQLITE, getattr(error, "sqlite_errorcode", 0), str(error))


def listen(asked: threading.Semaphore) -> None:
    """Pass on that the next rows are wanted; end with the process that wants them."""
    while os.read(sys.stdin.fileno(), 1):
        asked.release()
    signal.raise_signal(getattr(signal, "SIGKILL", signal.SIGTERM))  # whatever SQLite is at


def limit_process(seconds: float, value: int, results: int) -> None:
    """Bound memory, time and disk to what a statement may have, where the system can; leave no core dump."""
    with suppress(ImportError):
        import resource

        limits = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: TEMPORARY,
            resource.RLIMIT_AS: HEAP + PYTHON + 2 * COPIES * value,
        }
        if seconds < LONGEST_TIMER:  # what is handed over takes time as well, some 100 MB in a second
            limits[resource.RLIMIT_CPU] = math.ceil(seconds) + 60 + min(results, 1 << 50) // 100_000_000
        for which, wanted in limits.items():
            with suppress(ValueError, OSError):
                _, most = resource.getrlimit(which)
                most = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
                resource.setrlimit(which, (most, most))


def connect(uris: Sequence[str], value: int) -> sqlite3.Connection:
    """A connection that reads the first of `uris` that can be opened, and does nothing else."""
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
    raise AssertionError("there is a file")


def lock_down(connection: sqlite3.Connection, value: int) -> None:
    connection.text_factory = Text
    # Temporary b-trees are files: in memory, sorting a large catalog would not fit into the heap. SQLite
    # unlinks them as soon as they are open, so nothing is left of them wherever this process is killed.
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
    # SQLite's own tables that lists are read with are declared at first use, as if somebody created them.
    connection.execute("SELECT 1 FROM sqlite_master, json_each('[]'), json_tree('[]')").close()
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, value)  # not of the schema, which is read by now
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


def answer(
    cursor: sqlite3.Cursor, clock: Clock, asked: threading.Semaphore, rows: int, value: int, results: int
) -> None:
    """Hand over the rows in batches; those that came before a failure come before it here too."""
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
            asked.acquire()
    send(END)


def take(
    cursor: sqlite3.Cursor, batch: list[tuple[Any, ...]], rows: int, largest: int, results: int
) -> tuple[bool, int]:
    """Fill `batch`; whether these are the last rows, and their size."""
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
    """Their kind, or MIXED and the kind of each; then integers, reals, lengths of strings, and strings."""
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
    answers = sys.stdout.buffer
    answers.write(HEADER.pack(kind, sum(map(len, parts))))
    for part in parts:
        answers.write(part)
    answers.flush()


def fail(which: int, code: int = 0, words: str = "") -> None:
    send(FAILED, FAILURE.pack(which, code), words[:LONGEST_MESSAGE].encode("utf-8", "replace"))


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # not 1, which is TIMED_OUT by faulthandler
        sys.exit(BROKEN)
