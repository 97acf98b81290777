"""The commands that a README shows: found, and run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

_PYTHON = shlex.quote(sys.executable)
_NAMED = 'echo "${0##*/}" "$@"'
_STAND_INS = {
    "filterkit": f"""case "$1 $2" in
"plugins install" | "plugins upgrade" | "plugins uninstall") {_NAMED} ;;
*) exec {_PYTHON} -P -m filterkit "$@" ;;
esac""",
    **dict.fromkeys(
        ("python", "python3"),
        f"""case "$1 $2" in
"-m pip" | "-m pytest") {_NAMED} ;;
*) exec {_PYTHON} "$@" ;;
esac""",
    ),
    **dict.fromkeys(("pip", "pip3", "pytest"), _NAMED),
}


def code_blocks(markdown: str, language: str = "") -> list[str]:
    """Find the blocks between fences (three backquotes) that are in a language.

    Parameters
    ----------
    markdown
        The text of a README, say.
    language
        What stands behind the fence that opens them, e.g. ``python``.

    Returns
    -------
    list of str
        What is between the fences, with its last newline.
    """
    found = re.findall(r"^```[ \t]*(\S*).*\n((?:.*\n)*?)```[ \t]*$", markdown, re.M)
    return [block for name, block in found if name == language]


def run_block(block: str, folder: str | os.PathLike[str]) -> str:
    """Run commands by a shell, up to the first that fails, with a catalog that is theirs.

    ``filterkit`` and ``python`` are those of the running Python. ``pip``, ``pytest``, both behind
    ``python -m``, and what calls pip in filterkit (``filterkit plugins install``) are not run, and only print
    their line. The environment is that of the test, without the variables ``FILTERKIT_*``; lines have 80
    columns.

    Parameters
    ----------
    block
        Commands, as one types them.
    folder
        Where to run them. The catalog is ``catalog.db`` in it, so the next block finds what this one added.

    Returns
    -------
    str
        What they printed, to stdout and to stderr.

    Raises
    ------
    AssertionError
        If one fails, with what was printed.
    unittest.SkipTest
        Where shells are other ones, on Windows: pytest skips the test.
    """
    if os.name != "posix":
        raise SkipTest("a POSIX shell runs the commands, and there is none here")
    own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    with tempfile.TemporaryDirectory() as tools:
        for name, text in _STAND_INS.items():
            tool = Path(tools, name)
            tool.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            tool.chmod(0o755)
        done = subprocess.run(
            ["sh", "-euc", block],
            env={
                **own,
                "PATH": f"{tools}{os.pathsep}{own['PATH']}",
                "FILTERKIT_CATALOG": str(Path(folder, "catalog.db").absolute()),
                "COLUMNS": "80",
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode} of\n{block}\nwhich printed\n{done.stdout}")
    return done.stdout
