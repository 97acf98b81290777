"""Whether a plugin leaves files behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filterkit.testing.findings import Findings


@contextmanager
def writes_nothing(findings: Findings) -> Iterator[None]:
    """Work in an empty folder, in which a plugin has nothing to write."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
        left = sorted(path.name for path in Path(folder).iterdir())
    findings.hold(not left, f"writes into the working folder: {', '.join(left[:3])}")
