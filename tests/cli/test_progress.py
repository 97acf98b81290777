"""Progress bars: on stderr where a person watches, and never in the way of data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")


def watched(*words: str, code: str = "", everything: bool = False) -> tuple[str, str]:
    """Stdout, and what a terminal as stderr showed; `everything` makes it the terminal of stdout as well."""
    import pty

    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                shown.append(data)
        except OSError:  # Linux reports the closed end like this
            pass

    command = [sys.executable, *(["-c", code] if code else ["-m", "filterkit", *words])]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, stdout=theirs if everything else subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    stdout, _ = process.communicate(timeout=120)
    reader.join(10)
    os.close(ours)
    assert process.returncode == 0, b"".join(shown)
    return (stdout or b"").decode(), b"".join(shown).decode()


def test_drawing_many_layers_shows_progress(classic: Path) -> None:
    words = ("show", "classic", "--catalog", str(classic))
    stdout, shown = watched(*words, "-o", "layers")
    assert stdout == ""
    assert "drawing layers" in shown
    assert shown.count("wrote layers/") == 13
    for quiet in (
        watched(*words, "-o", "layers", "--quiet")[1],
        watched("show", "classic/emboss", *words[2:], "-o", "one.png")[1],
        "".join(watched(*words)),
    ):
        assert "drawing layers" not in quiet


def test_rows_for_a_pipe_are_not_printed_above_a_bar() -> None:
    code = (
        "from filterkit.progress import progress_bar\n"
        "with progress_bar(True) as report:\n"
        "    report('working', 1, 2)\n"
        "    print('a row')\n"
    )
    stdout, shown = watched(code=code)
    assert stdout == "a row\n"
    assert "working" in shown
    assert "a row" not in shown
    assert "a row" in watched(code=code, everything=True)[1]
