"""The process in which one free SQL statement runs, as the process that wants its rows sees it.

It is killed once its time is up, once nobody wants more rows, and with the process that it works for. What it
says is looked at as what a stranger says: a damaged catalog may have taken SQLite over.
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
from filterkit.children import no_python
from filterkit.errors import CatalogError

WORKER = Path(sql_worker.__file__)

PATIENCE = 20.0
"""Seconds for the process to start, and for what it has begun to say."""
PIECE = 1 << 20
MILLISECONDS = 200
LARGEST_COUNT = (1 << 62) - 1


@dataclass(frozen=True)
class Limits:
    """Of one statement: seconds (None for any time), rows, bytes of one value and of all results."""

    seconds: float | None
    rows: int | None
    value: int
    results: int | None


class Failure(Exception):
    """The statement failed: `which` of the worker's failures it is, SQLite's code, and its words."""

    def __init__(self, which: int, code: int, words: str) -> None:
        super().__init__(words)
        self.which, self.code, self.words = which, code, words


@dataclass
class _Process:
    """The process, and the time that is left to it."""

    popen: subprocess.Popen[bytes]
    limits: Limits
    owner: int = field(default_factory=os.getpid)
    used: float = 0.0
    since: float = 0.0
    late: bool = False
    """Whether it was killed because its time was up."""

    def frame(self, *, starting: bool = False) -> tuple[int, memoryview]:
        """What it says next."""
        with self._alarm(PATIENCE if starting else self._left()):
            self._wait()
            kind, length = HEADER.unpack(self._read(HEADER.size))
        # Rows come once they are too many for one batch, and the last of them may be as large as one may be.
        if length > 2 * (2 * self.limits.value + ROW_ROOM):
            raise _broken("it says more than it may")
        with self._alarm(PATIENCE):
            return kind, memoryview(self._read(length))

    def ask(self) -> None:
        """Let it prepare more rows."""
        assert self.popen.stdin is not None
        self.since = time.monotonic()
        with suppress(OSError):  # it has ended, and said why
            self.popen.stdin.write(b"+")

    def request(self, uris: Sequence[str], sql: bytes) -> None:
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
        said = memoryview(header + places + sql)
        with self._alarm(PATIENCE), suppress(OSError):  # see what it says
            while said:
                said = said[self.popen.stdin.write(said) :]
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
        # Where nobody has looked meanwhile, it may be done long since, and waits for its words to be read.
        return left if left > 0 else GRACE

    def _wait(self) -> None:
        """Until it says something. Python looks for Ctrl-C meanwhile, even where no signal wakes it."""
        if hasattr(select, "poll"):
            assert self.popen.stdout is not None
            poll = select.poll()
            poll.register(self.popen.stdout, select.POLLIN)
            while not poll.poll(MILLISECONDS):
                pass

    def _read(self, length: int) -> bytes:
        assert self.popen.stdout is not None
        read = bytearray()
        while len(read) < length:
            piece = self.popen.stdout.read(min(length - len(read), PIECE))
            if not piece:
                raise EOFError
            read += piece
        return bytes(read)

    @contextmanager
    def _alarm(self, seconds: float | None) -> Iterator[None]:
        """Kill it unless what is done here is done within `seconds`."""
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


def answers(uris: Sequence[str], sql: bytes, limits: Limits) -> Iterator[list[Sequence[Any]]]:
    """The names of columns, as a single column, then batches of rows, column by column.

    Closing the iterator ends the process.

    Raises
    ------
    Failure
        The statement is wrong, or one of its limits is reached; the rows before that come first.
    CatalogError
        The process cannot be started, or breaks down.
    """
    process = _Process(_start(), limits)
    started = False
    try:
        process.request(uris, sql)
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
            kind, said = process.frame()
            if kind == END:
                return
            batch = _expect((kind, said), ROWS)
            total += len(batch)
            if total > 2 * most + ROW_ROOM:
                raise _broken("it says more than it may")
            used, rows = BATCH.unpack_from(batch)
            if rows > BATCH_BYTES // ROW_BYTES + 1:
                raise ValueError(rows)
            process.used = max(process.used, used)
            process.ask()
            yield list(_columns(batch[BATCH.size :], width, rows))
    except EOFError as error:
        raise _ended(process, started=started) from error
    except (ValueError, LookupError, OverflowError, struct.error) as error:
        raise _broken("what it says is malformed") from error
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
    kind, said = frame
    if kind == FAILED:
        which, code = FAILURE.unpack_from(said)
        raise Failure(which, code, _text(said[FAILURE.size :])[:LONGEST_MESSAGE])
    if kind != wanted:
        raise ValueError(kind)
    return said


def _ended(process: _Process, *, started: bool) -> Exception:
    """Why it says nothing any more."""
    if not started:
        return no_python(CatalogError, "it does not answer")
    if process.late:
        return Failure(BY_TIME, 0, "")
    code = process.popen.wait()
    if code in (TIMED_OUT, -getattr(signal, "SIGXCPU", 0)) and process.limits.seconds is not None:
        return Failure(BY_TIME, 0, "")
    return _broken(f"it ended with signal {-code}" if code < 0 else f"it ended with {code}")


def _broken(reason: str) -> CatalogError:
    return CatalogError(
        f"the process in which the query runs broke down: {reason}",
        hint="if the catalog is damaged, `filterkit doctor` finds it",
    )


def _columns(packed: memoryview, width: int, rows: int) -> Iterator[Sequence[Any]]:
    for _ in range(width):
        end = LENGTH.size + LENGTH.unpack_from(packed)[0]
        yield _unpack(packed[LENGTH.size : end], rows)
        packed = packed[end:]


def _unpack(packed: memoryview, count: int) -> Sequence[Any]:
    """The values that the worker packed; blobs as hexadecimal text, for rows hold what JSON can hold."""
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
