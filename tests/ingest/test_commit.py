"""Committing what was staged: all or nothing, whatever happened to catalog and files since."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_model import Stage, write_small
from tiny_models import bank_of, put, state, stored_weights, write_model

from filterkit.catalog import Catalog, listings
from filterkit.errors import CatalogError, UsageError
from filterkit.ingest.commit import commit, known_model, remove
from filterkit.ingest.stage import Contents, Staged
from filterkit.records import FilterBank


def contents_of(staged: Staged) -> Contents:
    assert staged.contents is not None
    return staged.contents


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
    assert state(catalog) == ([[], [], []], set())


def test_a_model_that_changed_is_refused(catalog: Catalog, stage: Stage, small: Path) -> None:
    staged = stage()
    write_small(small, seed=1)
    with pytest.raises(CatalogError, match=r"small\.onnx changed after it was staged"):
        commit(catalog, staged)
    assert state(catalog) == ([[], [], []], set())


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


def test_the_same_again_changes_nothing(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    assert put(catalog, tiny).status == "unchanged"
    assert state(catalog) == before


def test_other_content_needs_replace(catalog: Catalog, tiny: Path, tmp_path: Path) -> None:
    put(catalog, tiny)
    before = state(catalog)
    other = write_model(tmp_path / "other.onnx", seed=7)
    with pytest.raises(CatalogError, match="another model named tiny") as caught:
        put(catalog, other)
    assert "--replace" in str(caught.value.hint)
    assert state(catalog) == before
    assert put(catalog, other, replace=True).status == "replaced"
    np.testing.assert_array_equal(bank_of(catalog, "tiny/conv1"), stored_weights(other)["conv1.weight"])
    assert len(list((catalog.store.folder / "models").iterdir())) == 1
    assert put(catalog, tiny, replace=True).status == "replaced"
    rows, files = state(catalog)
    assert files == before[1]
    assert len(rows[2]) == len(before[0][2])


class _Failing:
    """A metric that fails at its second bank, when the first has been measured."""

    columns = ("odd",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return {"odd": np.zeros(bank.out_channels)}


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failure_leaves_everything_as_it_was(
    catalog: Catalog, tiny: Path, tmp_path: Path, error: Any
) -> None:
    put(catalog, tiny)
    before = state(catalog)
    with pytest.raises(type(error)):
        put(catalog, write_model(tmp_path / "b.onnx", seed=3), "b", metrics=[_Failing(error)])
    assert state(catalog) == before


@pytest.mark.parametrize("replace", [False, True])
def test_a_database_that_fails_leaves_everything_as_it_was(
    catalog: Catalog, tiny: Path, tmp_path: Path, replace: bool
) -> None:
    put(catalog, tiny)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        connection.execute(
            "CREATE TRIGGER fails AFTER INSERT ON filter WHEN NEW.position = 3"
            " BEGIN SELECT RAISE(ABORT, 'disk full, for instance'); END"
        )
    before = state(catalog)
    with pytest.raises(CatalogError):
        put(catalog, write_model(tmp_path / "b.onnx", seed=3), "tiny" if replace else "b", replace=replace)
    assert state(catalog) == before
    np.testing.assert_array_equal(bank_of(catalog, "tiny/conv1"), stored_weights(tiny)["conv1.weight"])


@pytest.mark.parametrize("name", ["", "a/b", "*", "-x", "a b", "x" * 101, "..", "é"])
def test_names_that_no_address_could_hold_are_refused(catalog: Catalog, tiny: Path, name: str) -> None:
    with pytest.raises(UsageError, match="named"):
        put(catalog, tiny, name)


@pytest.mark.zoo
def test_vgg16(catalog: Catalog, zoo_model: Callable[[str], Path]) -> None:
    result = put(catalog, zoo_model("vgg16"), "vgg16")
    assert (result.layers, result.filters, result.kernels) == (13, 4224, 1634496)
    assert result.parameters == 14714688
    known = [
        [0.42947057, 0.373467, -0.06136011],
        [0.27476987, 0.03868078, -0.36722335],
        [-0.05746817, -0.26224968, -0.35009676],
    ]
    np.testing.assert_allclose(bank_of(catalog, "vgg16/block1_conv1")[0, 0], known, rtol=1e-6)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        connection.execute("VACUUM")
    assert catalog.path.stat().st_size / 4224 <= 250


def test_json_in_the_catalog_is_written_in_one_way(catalog: Catalog, tiny: Path) -> None:
    put(catalog, tiny)
    with contextlib.closing(sqlite3.connect(catalog.path)) as connection:
        [(text,)] = connection.execute("SELECT DISTINCT kernel_shape FROM layer").fetchall()
    assert text == "[3,3]" == json.dumps([3, 3], separators=(",", ":"))
