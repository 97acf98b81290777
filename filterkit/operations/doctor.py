"""Check versions, providers, catalog, store and plugins, and say how to fix problems."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, one_line
from filterkit.short_reprs import shortened

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

DISTRIBUTION = "cnn-filterkit"
NAMESAKE = "filterkit"
"""An unrelated distribution for image processing; the two overwrite each other's files."""

PACKAGES = (
    "numpy",
    "onnx",
    "matplotlib",
    "pillow",
    "pluggy",
    "sqlalchemy",
    "alembic",
    "safetensors",
    "typer",
)
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


class Examination(dict[str, Any]):
    """What `examine` found, as a dictionary with a short `repr`."""

    def __repr__(self) -> str:
        catalog, faults = self["catalog"], self["faults"]
        known = f", {catalog['models']} models" if "models" in catalog else ""
        found = f"{len(faults)} faults, {faults[0]['what']}" if faults else "no faults"
        text = f"<Examination of {catalog['path']}{known}, {len(self['plugins'])} plugins: {found}>"
        return shortened(one_line(text))


def examine(session: Session) -> Examination:
    """See `Workbench.examine`.

    Returns
    -------
    Examination
        ``versions``, ``providers``, ``catalog``, ``store``, ``plugins``, and ``faults``: a list of records
        with ``what`` is wrong and what to ``do``; empty if there are no problems.
    """
    faults: list[Row] = []
    report = {
        "versions": _versions(faults),
        "providers": _providers(faults),
        **_catalog(session, faults),
        "plugins": _plugins(session, faults),
    }
    return Examination(report, faults=faults)


def recover(session: Session) -> None:
    """See `Workbench.recover`."""
    from filterkit.catalog.database import catalog_path, recover

    recover(catalog_path(session.location))


def _fault(faults: list[Row], what: str, do: str) -> None:
    faults.append({"what": what, "do": do})


def _versions(faults: list[Row]) -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in (DISTRIBUTION, *PACKAGES, *RUNTIMES):
        found[name] = _version(name)
    if all(found[name] for name in RUNTIMES):
        _fault(
            faults,
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu",
        )
    if _version(NAMESAKE):
        _fault(
            faults,
            f"the unrelated distribution '{NAMESAKE}' is installed; both contain the package 'filterkit'",
            f"pip uninstall -y {NAMESAKE} {DISTRIBUTION}, then install {DISTRIBUTION} again",
        )
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _providers(faults: list[Row]) -> dict[str, Any]:
    from filterkit.runtime.providers import onnx_runtime, probe

    try:
        onnx_runtime()
    except FilterkitError as error:
        _fault(faults, error.message, error.hint or "reinstall ONNX Runtime")
    return probe()


def _catalog(session: Session, faults: list[Row]) -> dict[str, Any]:
    """What the catalog and its store contain; a catalog that does not exist yet is not a fault."""
    from filterkit.catalog import listings
    from filterkit.catalog.database import catalog_path

    try:
        path = catalog_path(session.location)
    except FilterkitError as error:
        _fault(faults, error.message, error.hint or "choose another catalog")
        return {"catalog": {"path": session.location, "usable": False}, "store": None}
    catalog: dict[str, Any] = {"path": str(path), "exists": path.exists(), "usable": True}
    if not path.exists():
        return {"catalog": catalog, "store": None}
    try:
        rows = listings.models(session.catalog())
        catalog |= {"models": len(rows), "filters": sum(row["filters"] for row in rows)}
        _rows(session, faults)
        return {"catalog": catalog, "store": _store(session, faults)}
    except FilterkitError as error:
        _fault(faults, error.message, error.hint or "choose another catalog")
        return {"catalog": {**catalog, "usable": False, "reason": error.message}, "store": None}


def _rows(session: Session, faults: list[Row]) -> None:
    from filterkit.catalog.check import check_database

    for found in check_database(session.catalog()):
        _fault(
            faults,
            f"the catalog {session.catalog().path} is corrupted: {found}",
            "restore it from a backup, or move it away and create a new one with `filterkit add`",
        )


def _store(session: Session, faults: list[Row]) -> dict[str, Any]:
    """What the store contains, compared with the hashes in the catalog."""
    from filterkit.catalog.check import check_observations, check_store
    from filterkit.hashing import bytes_below

    store = session.catalog().store
    folder = store.folder
    links = store.links()
    for path in links:
        _fault(
            faults,
            f"{path} is a symbolic link, and links in a store are not followed",
            f"filterkit never creates links there: rm {shlex.quote(str(path))}, then add its models again",
        )
    with session.progress() as progress:
        without_weights, damaged = ([], []) if links else check_store(session.catalog(), progress)
    for each in [] if links else check_observations(session.catalog()):
        _fault(faults, f"observation {each['observation']} of {each['model']}: {each['fault']}", each["do"])
    for each in damaged:
        _fault(faults, f"a file of model {each['model']} is {each['state']}: {each['file']}", each["do"])
    return {
        "path": str(folder),
        "bytes": 0 if folder.is_symlink() else bytes_below(folder),
        "without_weights": without_weights,
        "damaged": damaged,
    }


def _plugins(session: Session, faults: list[Row]) -> list[Row]:
    from filterkit.operations.plugins import plugin_faults, plugin_rows

    for fault in plugin_faults(session):
        _fault(faults, f"plugin {fault['plugin']}: {fault['fault']}", str(fault["remedy"]))
    return list(plugin_rows(session))
