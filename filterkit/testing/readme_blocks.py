"""Extract and run the commands in a README."""

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
    """Extract the fenced code blocks of a language.

    Parameters
    ----------
    markdown
        Markdown text, e.g. of a README.
    language
        Info string after the opening fence, e.g. ``python``.

    Returns
    -------
    list of str
        Content of the blocks, with the final newline.
    """
    found = re.findall(r"^```[ \t]*(\S*).*\n((?:.*\n)*?)```[ \t]*$", markdown, re.M)
    return [block for name, block in found if name == language]


def run_block(block: str, folder: str | os.PathLike[str]) -> str:
    """Run commands in a shell until one fails, with a separate catalog.

    ``filterkit`` and ``python`` are those of the running Python. ``pip``, ``pytest``, both with ``python
    -m``, and commands of filterkit that call pip (``filterkit plugins install``) are not run but only
    printed. The environment is that of the test without the variables ``FILTERKIT_*``; the terminal width is
    80.

    Parameters
    ----------
    block
        Shell commands.
    folder
        Working folder. The catalog is ``catalog.db`` in it, so it is shared by successive blocks.

    Returns
    -------
    str
        Combined output on stdout and stderr.

    Raises
    ------
    AssertionError
        If a command fails, with its output.
    unittest.SkipTest
        On systems without a POSIX shell (Windows), so that pytest skips the test.
    """
    if os.name != "posix":
        raise SkipTest("requires a POSIX shell")
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
        raise AssertionError(f"exit code {done.returncode} of\n{block}\noutput:\n{done.stdout}")
    return done.stdout
