"""Finds installed plugins, without importing any of them."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial, reduce
from importlib.machinery import PathFinder
from pathlib import Path

from filterkit import settings
from filterkit.children import import_folders
from filterkit.errors import UsageError
from filterkit.plugins.candidate import Candidate, canonical

FILE_VERSION = "file-"
"""How versions of plugins of a single file begin; the rest is of the hash of its content."""

GROUP = "filterkit"
"""The entry-point group that a plugin's distribution declares."""


@dataclass(frozen=True)
class Declaration:
    """What a distribution says of itself: ``entries`` are pairs of name and ``module[:attribute]``.

    `folder` is where it lies, if that is a folder.
    """

    name: str
    version: str
    entries: tuple[tuple[str, str], ...]
    folder: str | None = None


def available() -> Iterator[Candidate]:
    """Every plugin that is there: the installed ones, then those of a single file.

    Raises
    ------
    UsageError
        ``FILTERKIT_PLUGINS_DIR`` is no folder that can be read.
    """
    yield from installed()
    yield from single_files()


def installed() -> Iterator[Candidate]:
    """Every plugin of every installed distribution, one candidate per entry point, sorted by name."""
    found: dict[str, Declaration] = {}
    for declared in declarations():
        # The first distribution of a name on sys.path is the one that Python imports.
        found.setdefault(distribution_name(declared.name), declared)
    for distribution in sorted(found):
        yield from _candidates(distribution, found[distribution])


def distribution_name(name: str) -> str:
    """A distribution's name as it is compared; dots are for the plugins within one."""
    return canonical(name).replace(".", "-")


def _candidates(distribution: str, declared: Declaration) -> Iterator[Candidate]:
    for entry, value in sorted(declared.entries, key=lambda entry: canonical(entry[0])):
        name = distribution if len(declared.entries) == 1 else f"{distribution}.{canonical(entry)}"
        module, attribute = (part.strip() for part in value.partition(":")[::2])
        load = partial(_load, module, attribute)
        yield Candidate(name, declared.version, distribution, module, load, attribute, beside=declared.folder)


def _load(module: str, attribute: str) -> object:
    loaded = importlib.import_module(module)
    return reduce(getattr, attribute.split("."), loaded) if attribute else loaded


def declarations() -> Iterator[Declaration]:
    """What every distribution declares that has plugins, in the order of ``sys.path``.

    Those of the current folder are left out, unless it is on ``sys.path`` to stay: it may be anybody's.

    Where plain folders bring all distributions, their files are read here: `importlib.metadata` takes longer
    to import than ``filterkit --help`` may take for eighty plugins.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if finders != [PathFinder]:
        yield from _asked()
        return
    for path in import_folders():
        try:
            with os.scandir(path) as folders:
                found = [each.name for each in folders if each.name.lower().endswith(_ENDINGS)]
        except NotADirectoryError:  # an archive
            yield from _asked()
            return
        except OSError:
            continue
        for folder in found:
            yield from _read(path, folder)


_ENDINGS = (".dist-info", "egg-info")


def _read(path: str, folder: str) -> Iterator[Declaration]:
    try:
        text = bytes_of(f"{path}/{folder}/entry_points.txt")
        if f"[{GROUP}]".encode() not in text:
            return
        entries = tuple(_entries(text.decode("utf-8")))
        stem, _, suffix = folder.rpartition(".")
        name, _, version = stem.rpartition("-")
        if suffix != "dist-info":  # of the others, the folder's name does not tell
            name, version = _named(bytes_of(f"{path}/{folder}/PKG-INFO").decode("utf-8"))
    except (OSError, ValueError):  # what cannot be read names no plugin
        return
    if entries:
        yield Declaration(name or "unnamed", version or "unknown", entries, path)


def bytes_of(file: str) -> bytes:
    """What a file holds. A `Path` would take twice as long, which tells where hundreds are read."""
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
        return opened.read()


def _named(metadata: str) -> tuple[str, str]:
    head = re.split(r"\r?\n\r?\n", metadata, maxsplit=1)[0]
    said = {name: words.strip() for name, words in re.findall(r"^(Name|Version):(.*)$", head, re.MULTILINE)}
    return said.get("Name", ""), said.get("Version", "")


def _entries(text: str) -> Iterator[tuple[str, str]]:
    section = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()  # behind [ stand extras


def _asked() -> Iterator[Declaration]:
    """The same, from whatever brings distributions."""
    import importlib.metadata

    for distribution in importlib.metadata.distributions(path=list(import_folders())):
        try:
            entries = tuple(
                (entry.name, entry.value.partition("[")[0].strip())
                for entry in distribution.entry_points.select(group=GROUP)
            )
            if entries:
                metadata = distribution.metadata
                yield Declaration(metadata["Name"] or "unnamed", metadata["Version"] or "unknown", entries)
        except (OSError, ValueError):
            continue


def single_files() -> Iterator[Candidate]:
    """One candidate per file, sorted by name; files whose names begin with ``_`` are left out.

    Raises
    ------
    UsageError
        The folder cannot be read.
    """
    folder = settings.plugins_folder()
    try:
        files = sorted(folder.iterdir()) if folder else []
    except OSError as error:
        raise UsageError(
            f"FILTERKIT_PLUGINS_DIR is no folder that can be read: {folder}",
            hint=f"{error.strerror}; make it, or unset the variable",
        ) from error
    for file in files:
        if file.suffix == ".py" and not file.name.startswith(("_", ".")) and file.is_file():
            yield _single_file(file.absolute())


def _single_file(file: Path) -> Candidate:
    import hashlib

    # Under a name of its own, so that numpy.py is a plugin and not everybody's numpy.
    module = "filterkit_plugins_dir_" + re.sub(r"\W", "_", file.stem)
    try:
        version = FILE_VERSION + hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError:  # loading it will say why
        version = "unknown"
    name, load = canonical(file.stem).replace(".", "-"), partial(_load_file, module, file)
    return Candidate(name, version, None, module, load, file=str(file))


def _load_file(module: str, file: Path) -> object:
    if getattr(sys.modules.get(module), "__file__", None) == str(file):
        return sys.modules[module]
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    loaded = sys.modules[module] = module_from_spec(spec)  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded
