"""Rebuild catalog.db.example: VGG16 and the classic kernels, catalogued by filterkit itself.

``python docs/make_example.py [FILE]`` writes the catalog without its store: every query works on it, and
commands that need weights say how to get them.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import filterkit

EXAMPLE = Path(__file__).parents[1] / "catalog.db.example"


def make(target: Path) -> None:
    """Write the example catalog to `target`."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.db"
        with filterkit.open(catalog) as bench:
            bench.add("vgg16")
            bench.add("classic")
        target.unlink(missing_ok=True)
        with closing(sqlite3.connect(catalog)) as connection:
            # A compact copy without a write-ahead log, so that it can be read from a read-only folder.
            connection.execute("VACUUM INTO ?", (str(target),))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE)
