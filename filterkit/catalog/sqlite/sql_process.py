"""The process that runs one free SQL statement, seen from the process that reads its rows.

It is killed when its time is up, when no more rows are read, and together with its parent. Its output is
validated as untrusted input: a crafted catalog may have taken over SQLite.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

from filterkit.catalog.sqlite import sql_worker
from filterkit.catalog.sqlite.sql_worker import (
    BATCH,
    BATCH_BYTES,
    BLOB,
    BY_TIME,
    COLUMNS,
    END,
    FAILED,
    FAILURE,
    GRACE,
    HEADER,
    INTEGER,
    LENGTH,
    LONGEST_MESSAGE,
    LONGEST_TIMER,
    MIXED,
    NULL,
    READY,
    REAL,
    REQUEST,
    ROW_BYTES,
    ROW_ROOM,
    ROWS,
    TEXT,
    TIMED_OUT,
)
from filterkit.child_processes import no_python
from filterkit.errors import CatalogError

WORKER = Path(sql_worker.__file__)

MESSAGE_SECONDS = 20.0
"""Seconds for the process to start, and for the rest of a message once it has begun."""
READ_BYTES = 1 << 20
POLL_MILLISECONDS = 200
LARGEST_COUNT = (1 << 62) - 1


@dataclass(frozen=True)
class Limits:
    """Limits of one statement: seconds, rows, bytes of one value and of all results; None for no limit."""

    seconds: float | None
    rows: int | None
    value: int
    results: int | None


class Failure(Exception):
    """The statement failed: `which` of the worker's failures it is, SQLite's error code, and its message."""

    def __init__(self, which: int, code: int, words: str) -> None:
        super().__init__(words)
        self.which, self.code, self.words = which, code, words


@dataclass
class _Process:
    """The process, and its remaining time."""

    popen: subprocess.Popen[bytes]
    limits: Limits
    owner: int = field(default_factory=os.getpid)
    used: float = 0.0
    since: float = 0.0
    late: bool = False
    """Whether it was killed because its time was up."""

    def frame(self, *, starting: bool = False) -> tuple[int, memoryview]:
        """Its next message: the kind and the content."""
        with self._alarm(MESSAGE_SECONDS if starting else self._left()):
            self._wait()
            kind, length = HEADER.unpack(self._read(HEADER.size))
        # A batch is sent once its size exceeds a limit, and its last row may have the largest allowed size.
        if length > 2 * (2 * self.limits.value + ROW_ROOM):
            raise _broken("its output is too large")
        with self._alarm(MESSAGE_SECONDS):
            return kind, memoryview(self._read(length))

    def request_rows(self) -> None:
        """Request the next rows."""
        assert self.popen.stdin is not None
        self.since = time.monotonic()
        with suppress(OSError):  # it has ended, and its last message says why
            self.popen.stdin.write(b"+")

    def send_statement(self, uris: Sequence[str], sql: bytes) -> None:
        assert self.popen.stdin is not None
        seconds, rows, results = self.limits.seconds, self.limits.rows, self.limits.results
        places = "\n".join(uris).encode()
        header = REQUEST.pack(
            float("inf") if seconds is None else seconds,
            LARGEST_COUNT if rows is None else min(max(rows, 0), LARGEST_COUNT),
            self.limits.value,
            LARGEST_COUNT if results is None else min(results, LARGEST_COUNT),
            len(places),
            len(sql),
        )
        message = memoryview(header + places + sql)
        with self._alarm(MESSAGE_SECONDS), suppress(OSError):  # its answer says why
            while message:
                message = message[self.popen.stdin.write(message) :]
        self.since = time.monotonic()

    def end(self) -> None:
        if os.getpid() == self.owner:
            self.popen.kill()
            self.popen.wait()
        else:
            self.popen.returncode = 0  # in a fork: not ours to end or wait for
        for pipe in (self.popen.stdin, self.popen.stdout):
            assert pipe is not None
            pipe.close()

    def _left(self) -> float | None:
        if self.limits.seconds is None:
            return None
        left = self.limits.seconds - self.used - (time.monotonic() - self.since)
        # If the reader was slow, the process may be done long since, with its output not read yet.
        return left if left > 0 else GRACE

    def _wait(self) -> None:
        """Wait for output. Python handles Ctrl-C meanwhile, even where no signal interrupts the wait."""
        if hasattr(select, "poll"):
            assert self.popen.stdout is not None
            poll = select.poll()
            poll.register(self.popen.stdout, select.POLLIN)
            while not poll.poll(POLL_MILLISECONDS):
                pass

    def _read(self, length: int) -> bytes:
        assert self.popen.stdout is not None
        read = bytearray()
        while len(read) < length:
            piece = self.popen.stdout.read(min(length - len(read), READ_BYTES))
            if not piece:
                raise EOFError
            read += piece
        return bytes(read)

    @contextmanager
    def _alarm(self, seconds: float | None) -> Iterator[None]:
        """Kill the process unless the body ends within `seconds`."""
        if seconds is None:
            yield
            return
        alarm = threading.Timer(min(seconds, LONGEST_TIMER), self._kill)
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()

    def _kill(self) -> None:
        self.late = True
        self.popen.kill()


def run(uris: Sequence[str], sql: bytes, limits: Limits) -> Iterator[list[Sequence[Any]]]:
    """Run a statement: yields the names of columns, as a single column, then batches of rows by column.

    Closing the iterator ends the process.

    Raises
    ------
    Failure
        The statement is invalid, or reached one of its limits; raised after the rows before that.
    CatalogError
        The process cannot be started, or fails.
    """
    process = _Process(_start(), limits)
    started = False
    try:
        process.send_statement(uris, sql)
        _expect(process.frame(starting=True), READY)
        started = True
        process.since = time.monotonic()
        names = _expect(process.frame(), COLUMNS)
        width = LENGTH.unpack_from(names)[0]
        if width * LENGTH.size > len(names):
            raise ValueError(width)
        yield [_unpack(names[LENGTH.size :], width)]
        total, most = 0, LARGEST_COUNT if limits.results is None else limits.results
        while True:
            kind, message = process.frame()
            if kind == END:
                return
            batch = _expect((kind, message), ROWS)
            total += len(batch)
            if total > 2 * most + ROW_ROOM:
                raise _broken("its output is too large")
            used, rows = BATCH.unpack_from(batch)
            if rows > BATCH_BYTES // ROW_BYTES + 1:
                raise ValueError(rows)
            process.used = max(process.used, used)
            process.request_rows()
            yield list(_columns(batch[BATCH.size :], width, rows))
    except EOFError as error:
        raise _ended(process, started=started) from error
    except (ValueError, LookupError, OverflowError, struct.error) as error:
        raise _broken("its output is malformed") from error
    finally:
        process.end()


def _start() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable or "", "-I", "-S", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    except OSError as error:
        raise no_python(CatalogError, error.strerror or str(error)) from error


def _expect(frame: tuple[int, memoryview], wanted: int) -> memoryview:
    kind, message = frame
    if kind == FAILED:
        which, code = FAILURE.unpack_from(message)
        raise Failure(which, code, _text(message[FAILURE.size :])[:LONGEST_MESSAGE])
    if kind != wanted:
        raise ValueError(kind)
    return message


def _ended(process: _Process, *, started: bool) -> Exception:
    """The exception to raise for the end of its output."""
    if not started:
        return no_python(CatalogError, "it does not respond")
    if process.late:
        return Failure(BY_TIME, 0, "")
    code = process.popen.wait()
    if code in (TIMED_OUT, -getattr(signal, "SIGXCPU", 0)) and process.limits.seconds is not None:
        return Failure(BY_TIME, 0, "")
    return _broken(f"it ended with signal {-code}" if code < 0 else f"it ended with {code}")


def _broken(reason: str) -> CatalogError:
    return CatalogError(
        f"the process that runs the query failed: {reason}",
        hint="check the catalog with `filterkit doctor`",
    )


def _columns(packed: memoryview, width: int, rows: int) -> Iterator[Sequence[Any]]:
    for _ in range(width):
        end = LENGTH.size + LENGTH.unpack_from(packed)[0]
        yield _unpack(packed[LENGTH.size : end], rows)
        packed = packed[end:]


def _unpack(packed: memoryview, count: int) -> Sequence[Any]:
    """The values that the worker packed; blobs as hexadecimal text, as rows must be valid JSON."""
    kind, packed = packed[0], packed[1:]
    if kind == MIXED:
        kinds, packed = bytes(packed[:count]), packed[count:]
    else:
        kinds = bytes([kind]) * count
    if len(kinds) != count or max(kinds, default=NULL) > NULL:
        raise ValueError(kind)
    integers, packed = _numbers("q", packed, kinds.count(INTEGER))
    reals, packed = _numbers("d", packed, kinds.count(REAL))
    lengths, packed = _numbers("Q", packed, kinds.count(TEXT) + kinds.count(BLOB))
    strings = _strings(packed, kinds, lengths) if lengths else []
    if kind != MIXED:
        return {INTEGER: integers, REAL: reals, NULL: [None] * count}.get(kind, strings)
    string = iter(strings)
    parts = {INTEGER: iter(integers), REAL: iter(reals), TEXT: string, BLOB: string, NULL: repeat(None)}
    return list(map(next, map(parts.__getitem__, kinds)))


def _numbers(code: str, packed: memoryview, count: int) -> tuple[Sequence[Any], memoryview]:
    numbers = array(code)
    end = numbers.itemsize * count
    numbers.frombytes(packed[:end])
    if len(numbers) != count:
        raise ValueError(count)
    return numbers, packed[end:]


def _strings(packed: memoryview, kinds: bytes, lengths: Sequence[int]) -> list[str]:
    strings, start = [], 0
    for kind, length in zip((kind for kind in kinds if kind in (TEXT, BLOB)), lengths, strict=True):
        piece = packed[start : start + length]
        strings.append(_text(piece) if kind == TEXT else piece.hex())
        start += length
    return strings


def _text(raw: memoryview) -> str:
    return str(raw, "utf-8", "replace")
