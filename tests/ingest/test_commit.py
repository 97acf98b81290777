"""Committing what was staged: all or nothing, whatever happened to catalog and files since."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_model import Stage, write_small

from filterkit.catalog import Catalog, listings
from filterkit.errors import CatalogError
from filterkit.ingest.commit import commit, known_model, remove
from filterkit.ingest.stage import Contents, Staged


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "catalog.db", write=True) as catalog:
        yield catalog


def contents_of(staged: Staged) -> Contents:
    assert staged.contents is not None
    return staged.contents


def state(catalog: Catalog) -> tuple[Any, set[str]]:
    """The models of a catalog, and the files of its store."""
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        models = connection.execute("SELECT * FROM model").fetchall()
    return models, {str(path) for path in catalog.store.folder.rglob("*")}


def test_banks_are_moved_and_models_are_copied(catalog: Catalog, stage: Stage, small: Path) -> None:
    staged = stage()
    result = commit(catalog, staged)
    assert (result.status, result.layers, result.filters) == ("added", 2, 9)
    assert not contents_of(staged).banks_path.exists()
    assert small.exists()
    [row] = listings.models(catalog)
    assert catalog.store.model_path(row["sha256"]).read_bytes() == small.read_bytes()


def test_a_staging_folder_on_another_file_system(
    catalog: Catalog, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, rename = stage(), os.rename

    def only_within(source: Any, target: Any, **options: Any) -> None:
        if str(source) == str(contents_of(staged).banks_path):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target, **options)

    monkeypatch.setattr("os.rename", only_within)
    content = contents_of(staged).banks_path.read_bytes()
    commit(catalog, staged)
    path = catalog.store.banks_path(contents_of(staged).model["banks_sha256"])
    assert path.read_bytes() == content


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize("change", [_truncate, _link, Path.unlink])
def test_banks_that_changed_are_refused(
    catalog: Catalog, stage: Stage, change: Callable[[Path], None]
) -> None:
    staged = stage()
    change(contents_of(staged).banks_path)
    with pytest.raises(CatalogError, match="staged"):
        commit(catalog, staged)
    assert state(catalog) == ([], set())


def test_a_model_that_changed_is_refused(catalog: Catalog, stage: Stage, small: Path) -> None:
    staged = stage()
    write_small(small, seed=1)
    with pytest.raises(CatalogError, match=r"small\.onnx changed after it was staged"):
        commit(catalog, staged)
    assert state(catalog) == ([], set())


def test_another_process_added_the_same(catalog: Catalog, stage: Stage) -> None:
    first, second = stage(), stage()
    commit(catalog, first)
    before = state(catalog)
    assert commit(catalog, second).status == "unchanged"
    assert state(catalog) == before


def test_another_process_added_another(catalog: Catalog, stage: Stage, tmp_path: Path) -> None:
    staged = stage()
    commit(catalog, stage(write_small(tmp_path / "other.onnx", seed=1)))
    before = state(catalog)
    with pytest.raises(CatalogError, match="another model named small"):
        commit(catalog, staged)
    assert state(catalog) == before
    assert commit(catalog, staged, replace=True).status == "replaced"


def test_another_process_removed_what_was_known(catalog: Catalog, stage: Stage) -> None:
    commit(catalog, stage())
    staged = stage(known=known_model(catalog, "small"))
    assert staged.contents is None
    assert commit(catalog, staged).status == "unchanged"
    remove(catalog, "small")
    with pytest.raises(CatalogError, match="removed or replaced") as caught:
        commit(catalog, staged)
    assert caught.value.hint == "try again"


@pytest.mark.parametrize("lost", ["models", "banks"])
def test_files_that_the_store_lost_are_restored(catalog: Catalog, stage: Stage, lost: str) -> None:
    commit(catalog, stage())
    before = state(catalog)
    for path in (catalog.store.folder / lost).rglob("*"):
        if path.is_file():
            path.unlink()
    assert commit(catalog, stage(known=known_model(catalog, "small"))).status == "restored"
    assert state(catalog) == before


def test_other_filters_than_before_are_not_mixed_in(catalog: Catalog, stage: Stage) -> None:
    commit(catalog, stage())
    [row] = listings.models(catalog)
    catalog.store.model_path(row["sha256"]).unlink()
    with pytest.raises(CatalogError, match="have changed since it was added") as caught:
        commit(catalog, stage(fold_batchnorm=True))
    assert "--replace" in str(caught.value.hint)
    assert len(list((catalog.store.folder / "banks").iterdir())) == 1


def test_what_a_catalog_knows(catalog: Catalog, stage: Stage) -> None:
    assert known_model(catalog, "small") is None
    staged = stage(fold_batchnorm=True)
    commit(catalog, staged)
    known = known_model(catalog, "small")
    assert known is not None
    assert (known.sha256, known.ref, known.fold_batchnorm) == (staged.sha256, "small.onnx", True)
    assert known.is_complete(()) and not known.is_complete(("weights.bin",))
    assert not known.is_complete(("./sub/../weights.bin",))
