"""Find installed plugins without importing them, and name the first-party ones that are not installed."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from importlib.machinery import PathFinder
from pathlib import Path

from filterkit import settings
from filterkit.child_processes import import_folders
from filterkit.errors import UsageError
from filterkit.plugins.candidate import Candidate, bytes_of, canonical, names_for

FILE_VERSION = "file-"
"""Prefix of the versions of single-file plugins; the rest is a hash of the content."""

GROUP = "filterkit"
"""The entry-point group of plugins."""


@dataclass(frozen=True)
class Declaration:
    """Metadata of a distribution: ``entries`` are pairs of name and ``module[:attribute]``.

    `folder` contains it, if it is a plain folder.
    """

    name: str
    version: str
    entries: tuple[tuple[str, str], ...]
    folder: str | None = None


def available() -> Iterator[Candidate]:
    """All available plugins: installed ones, then single files.

    Raises
    ------
    UsageError
        If ``FILTERKIT_PLUGINS_DIR`` is not a readable folder.
    """
    yield from installed()
    yield from single_files()


def installed() -> Iterator[Candidate]:
    """All plugins of installed distributions, one candidate per entry point, sorted by name."""
    found: dict[str, Declaration] = {}
    for declared in declarations():
        # Python imports the first distribution of a name on sys.path.
        found.setdefault(distribution_name(declared.name), declared)
    for distribution in sorted(found):
        yield from _candidates(distribution, found[distribution])


def distribution_name(name: str) -> str:
    """Normalized name of a distribution; dots separate the plugins within one."""
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
    """The declarations of all distributions with plugins, in the order of ``sys.path``.

    The current folder, which is untrusted, is ignored unless it is on ``sys.path`` permanently.

    If all distributions are in plain folders, their files are read directly: importing `importlib.metadata`
    takes longer than ``filterkit --help`` should take with eighty plugins.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    if finders != [PathFinder]:
        yield from _from_importlib()
        return
    for path in import_folders():
        try:
            with os.scandir(path) as folders:
                found = [each.name for each in folders if each.name.lower().endswith(_ENDINGS)]
        except NotADirectoryError:  # an archive
            yield from _from_importlib()
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
        if suffix != "dist-info":  # the folder name of other kinds does not contain them
            name, version = _named(bytes_of(f"{path}/{folder}/PKG-INFO").decode("utf-8"))
    except (OSError, ValueError):  # ignore unreadable metadata
        return
    if entries:
        yield Declaration(name or "unnamed", version or "unknown", entries, path)


def _named(metadata: str) -> tuple[str, str]:
    head = re.split(r"\r?\n\r?\n", metadata, maxsplit=1)[0]
    fields = {name: value.strip() for name, value in re.findall(r"^(Name|Version):(.*)$", head, re.MULTILINE)}
    return fields.get("Name", ""), fields.get("Version", "")


def _entries(text: str) -> Iterator[tuple[str, str]]:
    section = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()  # extras follow after [


def _from_importlib() -> Iterator[Declaration]:
    """The same with `importlib.metadata`, for any kind of distribution."""
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
    """One candidate per file, sorted by name; files whose names begin with ``_`` are ignored.

    Raises
    ------
    UsageError
        If the folder cannot be read.
    """
    folder = settings.plugins_folder()
    try:
        files = sorted(folder.iterdir()) if folder else []
    except OSError as error:
        raise UsageError(
            f"cannot read the folder in FILTERKIT_PLUGINS_DIR: {folder}",
            hint=f"{error.strerror}; create it or unset the variable",
        ) from error
    for file in files:
        if file.suffix == ".py" and not file.name.startswith(("_", ".")) and file.is_file():
            yield _single_file(file.absolute())


def _single_file(file: Path) -> Candidate:
    import hashlib

    # A unique module name, so that a plugin numpy.py does not replace NumPy.
    module = "filterkit_plugins_dir_" + re.sub(r"\W", "_", file.stem)
    try:
        version = FILE_VERSION + hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError:  # loading it will report the error
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
    loaded = sys.modules[module] = module_from_spec(spec)  # required by pickle and dataclasses
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[module]
        raise
    return loaded


BROUGHT_BY = {
    ("extractor", "dense"): "filterkit-dense",
    ("source", "gabor"): "filterkit-gabor",
    ("metric", "gabor"): "filterkit-gabor",
    ("panel", "gabor"): "filterkit-gabor",
    ("format", "parquet"): "filterkit-parquet",
    ("command", "export-catalog"): "filterkit-parquet",
    ("renderer", "interactive"): "filterkit-plotly",
    ("source", "torch"): "filterkit-torch",
}
"""Maps kind and name to the plugin, whether or not it is installed."""


def install_hint(name: str, present: Iterable[str], *, kind: str | None = None) -> str | None:
    """A hint which first-party plugin to install for something missing.

    Parameters
    ----------
    name
        Name of a contribution; without `kind`, also that of a plugin, with or without ``filterkit-``.
    present
        Plugins that are available, which are not suggested.
    """
    there = {each for plugin in present for each in names_for(plugin)}
    for (of, brought), plugin in BROUGHT_BY.items():
        names = {brought} if kind else {brought, plugin, plugin.removeprefix("filterkit-")}
        if kind in (None, of) and canonical(name) in names and plugin not in there:
            is_plugin = canonical(name) == plugin
            return from_clone(plugin) if is_plugin else f"provided by {plugin}: {from_clone(plugin)}"
    return None


def from_clone(plugin: str) -> str:
    """How to install a first-party plugin, which may not be on a package index."""
    return f"in a clone of filterkit, run pip install ./plugins/{plugin}"
