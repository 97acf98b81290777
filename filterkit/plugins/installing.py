"""Install, remove and list packages of plugins without importing them."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit import settings
from filterkit.child_processes import can_import, import_folders, python
from filterkit.errors import FilterkitError, UsageError, closest
from filterkit.plugins.candidate import canonical
from filterkit.plugins.discovery import available, distribution_name, install_hint, installed

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

REQUIREMENT_COLUMNS = ("plugin", "requirement", "note")


def pip(*arguments: str) -> None:
    """Run pip in the environment of filterkit, with its output on stderr.

    Raises
    ------
    FilterkitError
        If pip is missing or fails.
    """
    if not can_import("pip"):
        raise FilterkitError(
            f"pip is not installed in {sys.prefix}",
            hint=f"run {sys.executable} -m ensurepip, or use the tool that created this environment",
        )
    command = python("-m", "pip", "--no-input", "--disable-pip-version-check", *arguments)
    # With the full environment: builds may need more than `filterkit.child_processes.environment`.
    done = subprocess.run(command, stdout=2, check=False)
    if done.returncode:
        raise FilterkitError(f"pip {arguments[0]} failed", hint="see the output of pip above")


def install(*arguments: str) -> set[str]:
    """Install with pip; returns the installed distributions, including reinstalled ones.

    Raises
    ------
    FilterkitError
        See `pip`.
    """
    with tempfile.TemporaryDirectory(prefix="filterkit-") as folder:
        report = Path(folder, "report.json")
        pip("install", "--report", str(report), *arguments)
        done = json.loads(report.read_text("utf-8"))["install"]
    return {distribution_name(each["metadata"]["name"]) for each in done}


def versions() -> dict[str, str]:
    """The versions of installed distributions with plugins."""
    return {each.distribution: each.version for each in installed() if each.distribution}


def distributions_of(names: Sequence[str]) -> list[str]:
    """The installed distributions that provide the named plugins.

    Raises
    ------
    UsageError
        If one of them is not installed, or not part of a package.
    """
    return list(dict.fromkeys(map(_distribution_of, names)))


def _distribution_of(name: str) -> str:
    candidates = list(available())
    for each in candidates:
        if canonical(name) not in (each.name, each.distribution):
            continue
        if each.distribution is None:
            raise UsageError(f"'{name}' is a file, not a package", hint=f"edit or move the file: {each.file}")
        return each.distribution
    if name.partition(".")[0] == "filterkit":
        raise UsageError(f"'{name}' is built in", hint=f"to disable it, set FILTERKIT_PLUGINS_BLOCKED={name}")
    names = [each.name for each in candidates]
    raise UsageError(
        f"plugin '{name}' is not installed", hint=install_hint(name, names) or closest(name, names)
    )


def requirements() -> list[Row]:
    """pip requirements that reproduce the installed plugins, sorted by name.

    The requirement of a single file is None, as pip cannot install it.
    """
    rows = [_requirement(name) for name in dict.fromkeys(each.distribution for each in installed()) if name]
    if settings.plugins_folder():
        from filterkit.plugins.discovery import single_files

        rows += [
            {"plugin": each.name, "requirement": None, "note": f"a file to copy: {each.file}"}
            for each in single_files()
        ]
    return rows


def _requirement(name: str) -> Row:
    """The requirement of a distribution; see PEP 610 for ``direct_url.json``."""
    found = list(importlib.metadata.distributions(name=name, path=list(import_folders())))
    pinned = f"{name}=={found[0].version}"
    # One of them may be a leftover of a build, which does not record its origin.
    text = next(filter(None, (each.read_text("direct_url.json") for each in found)), None)
    if text is None:
        return {"plugin": name, "requirement": pinned, "note": None}
    origin = json.loads(text)
    url = origin["url"]
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    if "subdirectory" in origin:
        url += f"#subdirectory={origin['subdirectory']}"
    editable = origin.get("dir_info", {}).get("editable", False)
    note = f"{pinned}, " + ("editable" if editable else "not from an index")
    if url.startswith("file:"):
        note += ", from this machine"
    return {"plugin": name, "requirement": f"-e {url}" if editable else f"{name} @ {url}", "note": note}
