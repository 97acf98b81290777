"""Installs, removes and lists the packages of plugins. Imports none of them."""

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
from filterkit.children import can_import, import_folders, python
from filterkit.errors import FilterkitError, UsageError, closest
from filterkit.plugins.candidate import canonical
from filterkit.plugins.discovery import available, distribution_name, installed
from filterkit.plugins.first_party import how_to_have

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

REQUIREMENT_COLUMNS = ("plugin", "requirement", "note")


def pip(*arguments: str) -> None:
    """Run pip in the environment that filterkit runs in; all it says goes to stderr.

    Raises
    ------
    FilterkitError
        There is no pip, or it failed.
    """
    if not can_import("pip"):
        raise FilterkitError(
            f"there is no pip in {sys.prefix}",
            hint=f"{sys.executable} -m ensurepip brings it; or use the tool that made this environment",
        )
    command = python("-m", "pip", "--no-input", "--disable-pip-version-check", *arguments)
    # In this environment: what pip builds may need another one than `filterkit.children.environment`.
    done = subprocess.run(command, stdout=2, check=False)
    if done.returncode:
        raise FilterkitError(f"pip {arguments[0]} failed", hint="what pip says above tells why")


def install(*arguments: str) -> set[str]:
    """Install with pip; the distributions that it put there, also in place of the same version.

    Raises
    ------
    FilterkitError
        As `pip` does.
    """
    with tempfile.TemporaryDirectory(prefix="filterkit-") as folder:
        report = Path(folder, "report.json")
        pip("install", "--report", str(report), *arguments)
        done = json.loads(report.read_text("utf-8"))["install"]
    return {distribution_name(each["metadata"]["name"]) for each in done}


def versions() -> dict[str, str]:
    """The version of each installed distribution that has plugins."""
    return {each.distribution: each.version for each in installed() if each.distribution}


def distributions_of(names: Sequence[str]) -> list[str]:
    """The installed distributions that bring the plugins of these names.

    Raises
    ------
    UsageError
        One of them is not installed, or by no package.
    """
    return list(dict.fromkeys(map(_distribution_of, names)))


def _distribution_of(name: str) -> str:
    candidates = list(available())
    for each in candidates:
        if canonical(name) not in (each.name, each.distribution):
            continue
        if each.distribution is None:
            raise UsageError(
                f"'{name}' is no package but a file", hint=f"change it, or move it away: {each.file}"
            )
        return each.distribution
    if name.partition(".")[0] == "filterkit":
        raise UsageError(f"'{name}' is built in", hint=f"FILTERKIT_PLUGINS_BLOCKED={name} goes without it")
    names = [each.name for each in candidates]
    raise UsageError(
        f"no plugin '{name}' is installed", hint=how_to_have(name, names) or closest(name, names)
    )


def requirements() -> list[Row]:
    """What to install to have the same plugins again, as pip reads it; sorted by name.

    A requirement is None for what pip cannot install: a single file.
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
    """See PEP 610 for what ``direct_url.json`` says of packages that came from no index."""
    found = list(importlib.metadata.distributions(name=name, path=list(import_folders())))
    pinned = f"{name}=={found[0].version}"
    # One of them may be what a build left of the package, which does not say where it came from.
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
