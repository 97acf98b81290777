"""Downloads one wheel with pip, with whatever package index its user has configured. Installs nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from filterkit.children import environment, python
from filterkit.errors import SourceError, UsageError
from filterkit.hashing import bytes_below
from filterkit.plugins.protocols import Progress

_POLL_SECONDS = 0.1

# A name and its version conditions, nothing else: no option, URL, path, extra or marker reaches pip.
_CONDITION = r"\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+\s*"
_REQUIREMENT = re.compile(
    rf"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:{_CONDITION}(?:,{_CONDITION})*)?",
)
_ARCHIVE = re.compile(r".*\.(?:whl|zip|tar|tgz|gz|bz2|xz|tbz|tlz|lz|lzma)", re.IGNORECASE)


def check_requirement(text: str) -> str:
    """`text` without blanks, where it names a package and perhaps its version.

    Raises
    ------
    UsageError
        Where it is anything else that pip would take: an option, a URL, a path, an archive.
    """
    if not _REQUIREMENT.fullmatch(text) or _ARCHIVE.fullmatch(text):
        raise UsageError(
            f"'{text}' is not a package with a version", hint="write it like this: some-package==1.2.3"
        )
    return re.sub(r"\s+", "", text)


def download_wheel(requirement: str, workdir: Path, progress: Progress, total: int | None = None) -> Path:
    """Download the wheel of `requirement`, without its dependencies, into `workdir`.

    Parameters
    ----------
    requirement
        As `check_requirement` returns it.
    progress
        Told the bytes on disk while pip works.
    total
        Size of the wheel in bytes, where it is known.

    Raises
    ------
    SourceError
        Where pip is missing, reaches no index, or finds no wheel.
    """
    wheels, temporary = workdir / "wheels", workdir / "temporary"
    for folder in (wheels, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        *python("-m", "pip", "download", "--only-binary=:all:", "--no-deps", "--no-cache-dir"),
        # Nothing is run, so it does not matter which Python the package wants.
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
    """Wait for pip, reporting bytes on disk; what it wrote to its error stream."""
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
    """What went wrong, with pip's own last word on it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return SourceError(
            f"pip is missing, and without it {requirement} cannot be downloaded",
            hint=f"install it with '{Path(sys.executable).name} -m ensurepip'; {_WITHOUT}",
        )
    said = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")] or lines
    last_word = said[-1] if said else "pip gave no reason"
    if broken := re.findall(r"connection broken by '(.*)'", errors):
        # pip ends with "no matching distribution" here too, which would send its reader the wrong way.
        last_word = "the package index does not answer: " + broken[-1].rsplit(": ", 1)[-1].strip("'\")")
    return SourceError(
        f"{requirement} could not be downloaded: {last_word}",
        hint=f"this needs a package index that pip can reach; {_WITHOUT}",
    )


_WITHOUT = "without one, 'filterkit add classic' and any ONNX file of your own work"
