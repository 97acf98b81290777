"""The output format ``parquet``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from filterkit_parquet.writing import write_parquet


@dataclass(frozen=True)
class Parquet:
    """Rows as one Parquet file.

    Parameters
    ----------
    compression
        The codec of its pages.
    """

    compression: Literal["zstd", "snappy", "none"] = "zstd"

    binary = True  # no annotation: not an option

    def write(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: tuple[str, ...],
        stream: TextIO,
        types: Mapping[str, Any] | None = None,
    ) -> None:
        """Write `rows` to ``stream.buffer``; `types` are the Python types of columns."""
        write_parquet(rows, columns, stream.buffer, compression=self.compression, own=types)
