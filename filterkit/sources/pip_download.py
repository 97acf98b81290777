"""Download one wheel with pip from the configured package index, without installing it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from filterkit.child_processes import environment, python
from filterkit.errors import SourceError, UsageError
from filterkit.hashing import bytes_below
from filterkit.plugins.protocols import Progress

_POLL_SECONDS = 0.1

# Only a name and version specifiers: options, URLs, paths, extras and markers never reach pip.
_CONDITION = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+\s*"
_REQUIREMENT = re.compile(
    rf"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:{_CONDITION}(?:,{_CONDITION})*)?",
)
_ARCHIVE = re.compile(r".*\.(?:whl|zip|tar|tgz|gz|bz2|xz|tbz|tlz|lz|lzma)", re.IGNORECASE)


def check_requirement(text: str) -> str:
    """Check that `text` is a package name with optional version specifiers, and remove whitespace.

    Raises
    ------
    UsageError
        If it is anything else that pip accepts: an option, a URL, a path, an archive.
    """
    if not _REQUIREMENT.fullmatch(text) or _ARCHIVE.fullmatch(text):
        raise UsageError(
            f"'{text}' is not a package with an optional version", hint="example: some-package==1.2.3"
        )
    return re.sub(r"\s+", "", text)


def download_wheel(requirement: str, workdir: Path, progress: Progress, total: int | None = None) -> Path:
    """Download the wheel of `requirement`, without its dependencies, into `workdir`.

    Parameters
    ----------
    requirement
        As `check_requirement` returns it.
    progress
        Called with the bytes on disk while pip runs.
    total
        Size of the wheel in bytes, if known.

    Raises
    ------
    SourceError
        If pip is missing, cannot reach an index, or finds no wheel.
    """
    wheels, temporary = workdir / "wheels", workdir / "temporary"
    for folder in (wheels, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        *python("-m", "pip", "download", "--only-binary=:all:", "--no-deps", "--no-cache-dir"),
        # Nothing is run, so the Python version that the package requires does not matter.
        *("--ignore-requires-python", "--no-input", "--progress-bar=off", "-d", str(wheels), requirement),
    ]
    own = {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    own |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    with subprocess.Popen(
        command,
        env=environment(**own),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as pip:
        try:
            errors = _wait(pip, workdir, f"downloading {requirement}", progress, total)
        except BaseException:
            pip.kill()
            raise
    found = sorted(wheels.glob("*.whl"))
    if pip.returncode or len(found) != 1:
        raise _failure(requirement, errors)
    return found[0]


def _wait(pip: subprocess.Popen[str], workdir: Path, what: str, progress: Progress, total: int | None) -> str:
    """Wait for pip while reporting bytes on disk; returns its stderr."""
    while True:
        try:
            _, errors = pip.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            done = bytes_below(workdir)
            progress(what, done if total is None else min(done, total), total)
        else:
            progress(what, bytes_below(workdir), total)
            return errors


def _failure(requirement: str, errors: str) -> SourceError:
    """The error for a failed download, with the last error message of pip."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return SourceError(
            f"cannot download {requirement}: pip is not installed",
            hint=f"install it with '{Path(sys.executable).name} -m ensurepip'; {_OFFLINE}",
        )
    messages = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")] or lines
    reason = messages[-1] if messages else "no error message from pip"
    if broken := re.findall(r"connection broken by '(.*)'", errors):
        # pip ends with "no matching distribution" here, too, which would be misleading.
        reason = "the package index does not respond: " + broken[-1].rsplit(": ", 1)[-1].strip("'\")")
    return SourceError(
        f"cannot download {requirement}: {reason}",
        hint=f"downloading requires a package index that pip can reach; {_OFFLINE}",
    )


_OFFLINE = "'filterkit add classic' and local ONNX files work without it"
