"""What one command line did, in a process of its own, and what is expected of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_SECONDS = 30.0
MOST_MEMORY = 1 << 30
"""Bytes. What a hostile file of a few kilobytes may cost; it takes a fraction of a second and 200 MB."""


@dataclass(frozen=True)
class Ran:
    """What one command line did, in a process of its own."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak: int

    @property
    def fine(self) -> Ran:
        """Itself, once it is known that it worked within bounds."""
        assert self.code == 0, self
        return self._civil

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed with ``--format json``."""
        return list(json.loads(self.fine.stdout))

    def refusal(self, code: int = 1) -> tuple[str, str]:
        """Error and hint, once it is known that this is all it said, and that it ended as it should."""
        assert self.code == code, self
        assert self.stdout == "", self
        lines = self._civil.stderr.splitlines()
        assert len(lines) == 2, self
        assert lines[0].startswith("error: ") and lines[1].startswith("hint: "), self
        assert "unexpected" not in lines[0] and "--debug" not in lines[1], self
        return lines[0].removeprefix("error: "), lines[1].removeprefix("hint: ")

    @property
    def _civil(self) -> Ran:
        assert "Traceback" not in self.stderr, self.stderr
        controls = [c for c in self.stdout + self.stderr if unicodedata.category(c) == "Cc" and c != "\n"]
        assert controls == [], "a terminal would obey"
        assert max(map(len, self.stderr.split("\n"))) < 700, self
        assert self.seconds < MOST_SECONDS and self.peak < MOST_MEMORY, self
        return self


Run = Callable[..., Ran]
