"""What an export says of the computer that made it: nothing.

Pages and their data show where pictures were when they were observed, and errors name files. A paper or a
class needs the names of the files, not the folders.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.errors import FilterkitError

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

ROOTS = (
    *("Users", "Volumes", "content", "data", "etc", "home", "media", "mnt", "opt", "private", "root", "run"),
    *("scratch", "srv", "tmp", "usr", "var", "work", "workspace"),
)
"""The first folder of paths, on this computer or the one where the pictures were."""

OBSERVED = (
    "SELECT DISTINCT substr(path, 2, instr(substr(path, 2), '/') - 1) AS root "
    "FROM image WHERE path LIKE '/%/%'"
)

STOPS = {"html": r"""\s"'<>|&`""", "whole": "\n", "json": '"\n', "csv": ',"\r\n'}
"""The characters after which a path has ended, by the kind of text."""


def hiding(bench: Workbench) -> Callable[[str, str], str]:
    """A function that removes folders from a text of a kind in `STOPS`."""
    roots = set(ROOTS)
    for place in (bench.path, Path.cwd(), Path(tempfile.gettempdir())):
        roots.update(place.resolve().parts[1:2])
    with suppress(FilterkitError):
        roots.update(row["root"] for row in bench.query(OBSERVED, limit=1000))
    names = "|".join(map(re.escape, sorted(filter(None, roots))))
    path = rf"(?<![\w.)\]~/\\-])/(?:{names})/"
    drive, share = r"(?<![A-Za-z0-9])[A-Za-z]:[\\/]+", r"(?<![\w\\])\\\\(?:\\\\)?[\w.-]+\\"
    start = f"(?:{path}|{drive}|{share})"
    patterns = {kind: re.compile(rf"{start}(?:[^{stop}]*[/\\])?") for kind, stop in STOPS.items()}

    def hidden(text: str, kind: str) -> str:
        if "/" not in text and "\\" not in text:
            return text
        if kind == "html" and patterns["whole"].match(text):
            kind = "whole"
        return patterns[kind].sub("", text)

    return hidden
