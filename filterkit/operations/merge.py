"""Merge another catalog into this one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from filterkit.catalog import Catalog
    from filterkit.session import Session

COLUMNS = ("model", "observation", "action", "reason")


def merge(
    session: Session, other: str | os.PathLike[str], rename: Mapping[str, str] | None, dry_run: bool
) -> Rows:
    """See `Workbench.merge`."""
    from filterkit.address import check_name
    from filterkit.catalog.database import catalog_path
    from filterkit.catalog.foreign import foreign
    from filterkit.ingest.merge import Merge

    names = {old: check_name(new) for old, new in (rename or {}).items()}
    if len({(old.partition("/")[0] if "/" in old else "", new) for old, new in names.items()}) < len(names):
        raise UsageError("two models or observations cannot be renamed to the same name")
    path, own = catalog_path(other), catalog_path(session.location)
    exists = os.path.lexists(own)
    if path == own or (exists and path.exists() and path.samefile(own)):
        raise UsageError(f"{path} is the catalog itself", hint="give the file of another catalog")
    with foreign(path, session.stop) as theirs:
        _check_names(theirs, names)
        mine = None
        if exists or not dry_run:
            mine = session.catalog(write=not dry_run)
        rows = []
        with session.progress() as progress:
            what = f"merging {path.name} (steps)"
            merging = Merge(theirs, mine, names, dry=dry_run)
            for some in merging.run(lambda done, total: progress(what, done, total)):
                rows += some
    return Rows(rows, COLUMNS)


def _check_names(theirs: Catalog, names: Mapping[str, str]) -> None:
    """Raise NotFoundError if there is nothing to rename."""
    for old in names:
        model, _, observation = old.partition("/")
        with theirs.read() as reading:
            if observation:
                query = (
                    "SELECT observation.name FROM observation JOIN model ON model.id = model_id "
                    "WHERE model.name = ?1 AND (?2 IS NULL OR observation.name = ?2) LIMIT 100"
                )
                values: tuple[str, ...] = (model,)
            else:
                query, values = "SELECT name FROM model WHERE (?1 IS NULL OR name = ?1) LIMIT 100", ()
            if not reading.execute(query, (*values, observation or model)).fetchall():
                known = [str(name) for (name,) in reading.execute(query, (*values, None))]
                raise NotFoundError(
                    f"there is no {'observation' if observation else 'model'} '{old}' in {theirs.path} to "
                    "rename",
                    hint=closest(observation or model, known),
                )
