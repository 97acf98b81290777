"""Check that a plugin leaves no files behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filterkit.testing.findings import Findings


@contextmanager
def writes_nothing(findings: Findings) -> Iterator[None]:
    """Run code in an empty working folder, and require that it is still empty afterwards."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
        left = sorted(path.name for path in Path(folder).iterdir())
    findings.require(not left, f"writes files to the working folder:  {', '.join(left[:3])}")
