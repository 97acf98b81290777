"""Rows to Parquet. Types are known only after the last row, so rows are buffered in a temporary file."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import filterkit
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 50_000
"""Rows held in memory, and rows of a group that a reader can skip."""

IN_MEMORY = 64 << 20
"""Buffered bytes beyond which rows are moved to disk."""


def write_parquet(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    file: IO[bytes],
    known: Mapping[str, pa.DataType] | None = None,
    compression: str = "zstd",
    own: Mapping[str, Any] | None = None,
) -> int:
    """Write `rows` to `file`, which stays open; nothing is written before all of them have been read.

    Parameters
    ----------
    columns
        Keys of the rows, in order.
    known
        Minimal types of columns, used even if every value is missing.
    compression
        Codec of the pages: ``zstd``, ``snappy``, or ``none``.
    own
        Python types of columns; used where they hold all values, also if there are none.

    Returns
    -------
    int
        Number of rows.
    """
    types, none = dict(known or {}), dict.fromkeys(columns, ())
    count = 0
    with SpooledTemporaryFile(max_size=IN_MEMORY) as waiting:
        for group in _groups(rows):
            count += len(group)
            values = {name: [row.get(name) for row in group] for name in columns}
            types = filterkit.arrow_types(values, types, complete=False)
            pickle.dump(values, waiting, protocol=pickle.HIGHEST_PROTOCOL)
        declared = {name: kind for name, kind in (own or {}).items() if name in none}
        types = filterkit.arrow_types(none, types, own=declared)
        waiting.seek(0)
        schema = pa.schema(list(types.items()))
        with pq.ParquetWriter(_Sink(file), schema, compression=compression) as writer:
            for _ in range(-(-count // ROW_GROUP)):
                writer.write_table(
                    filterkit.arrow_table(pickle.load(waiting), types), row_group_size=ROW_GROUP
                )
    return count


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(rows)
    while group := list(islice(left, ROW_GROUP)):
        yield group


class _Sink:
    """Passes bytes on to a file or pipe, which pyarrow would otherwise close, and counts the position."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.written = 0

    def write(self, data: bytes) -> int:
        self.file.write(data)
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        self.flush()
        self.closed = True
