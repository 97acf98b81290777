"""Staging: all that is needed of a model, without a catalog, in any process."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import pickle
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from small_model import REQUEST, Stage, write_small

import filterkit
from filterkit import budget
from filterkit.catalog import Catalog
from filterkit.catalog.store import MODEL_FILE
from filterkit.errors import CatalogError, PluginContractError, UsageError
from filterkit.graph.view.view import GraphView
from filterkit.ingest.commit import commit
from filterkit.ingest.stage import Known, Makers, Request, stage_in_worker, stage_model
from filterkit.ingest.stage import stage as stage_ref
from filterkit.metrics.basic import BasicMetrics
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.records import FetchedModel, FilterBank, Skipped


class Refusing:
    """An extractor that must not run."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        raise AssertionError("the model is extracted")


class Failing:
    """A metric that fails at the second bank."""

    columns = ("odd",)

    def __init__(self) -> None:
        self.calls = 0

    def measure(self, bank: FilterBank) -> dict[str, NDArray[Any]]:
        self.calls += 1
        return {"odd": np.zeros(bank.out_channels if self.calls == 1 else 1)}

    def __str__(self) -> str:
        return "strange/failing"


def known(path: Path, **fields: Any) -> Known:
    """What a catalog would have of a model that was added from `path`."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    values: dict[str, Any] = {
        "sha256": sha256, "ref": str(path), "fold_batchnorm": False, "files": frozenset({MODEL_FILE})
    }  # fmt: skip
    return Known(**values | fields)


def test_what_is_staged_is_all_that_commit_needs(stage: Stage, small: Path) -> None:
    staged = stage()
    assert pickle.loads(pickle.dumps(staged)) == staged
    assert staged.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    contents = staged.contents
    assert contents is not None
    assert [path.name for path in contents.banks_path.parent.iterdir()] == ["banks.safetensors"]
    stored = contents.banks_path.read_bytes()
    assert contents.model["banks_sha256"] == hashlib.sha256(stored).hexdigest()
    assert sorted(load_file(contents.banks_path)) == sorted(layer["name"] for layer in contents.layers)
    assert (contents.model["layers"], contents.model["filters"], contents.unmeasured) == (2, 9, ())
    assert [len(columns["mean"]) for columns in contents.filters] == [4, 5]


def test_a_model_that_the_catalog_has_is_hashed_and_nothing_else(stage: Stage, small: Path) -> None:
    staged = stage(extractors=[Refusing()], known=known(small))
    assert (staged.contents, staged.sha256) == (None, known(small).sha256)


@pytest.mark.parametrize("files", [(), ("weights.bin",)])
def test_a_model_that_the_store_lacks_is_extracted(stage: Stage, small: Path, files: tuple[str, ...]) -> None:
    assert stage(known=known(small, files=frozenset(files))).contents is not None


def test_another_model_of_that_name_is_reported_before_it_is_extracted(stage: Stage, small: Path) -> None:
    other = known(small, sha256="0" * 64, ref="other.onnx")
    with pytest.raises(CatalogError, match=r"another model named small in the catalog, from other\.onnx"):
        stage(extractors=[Refusing()], known=other)


def test_batch_norms_stay_as_they_are_in_the_catalog(stage: Stage, small: Path) -> None:
    missing = known(small, files=frozenset())
    plain, folded = stage(), stage(fold_batchnorm=True)
    assert plain.contents and folded.contents
    assert plain.contents.model["banks_sha256"] != folded.contents.model["banks_sha256"]
    again = stage(known=known(small, files=frozenset(), fold_batchnorm=True))
    assert again.contents and again.contents.model == folded.contents.model
    with pytest.raises(UsageError, match="without batch norms folded"):
        stage(fold_batchnorm=True, known=missing)


def test_a_named_metric_that_fails_raises(stage: Stage) -> None:
    with pytest.raises(PluginContractError, match="1 values of 'odd' for the 5 filters"):
        stage(measuring=[BasicMetrics(), Failing()], metrics=("basic", "failing"))


def test_the_faults_of_other_metrics_are_values(stage: Stage) -> None:
    taken = Failing()
    staged = stage(measuring=[BasicMetrics(), Failing(), taken], metrics=None)
    staged = pickle.loads(pickle.dumps(staged))
    assert [spec for spec, _ in staged.faults] == ["strange/failing"] * 2
    messages = [error.message for _, error in staged.faults]
    assert messages[0] == "the column 'odd' comes from strange/failing and from strange/failing"
    assert messages[1].startswith("1 values of 'odd'")
    assert taken.calls == 0, "its columns are taken"
    assert staged.contents and staged.contents.unmeasured == ("odd",)
    assert not any("odd" in columns for columns in staged.contents.filters)
    assert "odd" not in staged.contents.model["measured"]


class Given:
    """A source of one model."""

    scheme = "given"

    def __init__(self, path: Path) -> None:
        self.path = path

    def fetch(self, ref: str, workdir: Path, progress: Any) -> FetchedModel:
        assert not list(workdir.iterdir())
        return FetchedModel(self.path, "made by a test")


def test_limits_apply(small: Path, tmp_path: Path) -> None:
    makers = Makers(Given(small), [], [])
    folder = tmp_path / "staging"
    folder.mkdir()
    with pytest.raises(budget.Exceeded, match=r"^small\.onnx"):
        stage_ref(Request("small", "given", "", "small.onnx", timeout=1e-9), folder, makers)


def test_no_room_for_the_banks(small: Path, tmp_path: Path) -> None:
    from filterkit.extractors.convolution import ConvolutionExtractor

    makers = Makers(None, [ConvolutionExtractor()], [])
    with pytest.raises(CatalogError, match="the filter banks cannot be written") as caught:
        stage_model(REQUEST, FetchedModel(small, "test"), tmp_path / "missing", makers)
    assert "TMPDIR" in str(caught.value.hint)


def rows(catalog: Path) -> list[list[tuple[Any, ...]]]:
    """All rows of a catalog, without the time when models were added."""
    with contextlib.closing(sqlite3.connect(catalog)) as connection:
        connection.execute("UPDATE model SET added_at = ''")
        tables = ("model", "layer", "filter", "skipped")
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def stored(catalog: Path) -> dict[str, bytes]:
    """The files of a catalog's store."""
    folder = catalog.with_suffix(".store")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_worker_stages_what_this_process_would(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    own = write_small(tmp_path / "own.onnx", seed=5)
    requests = [
        Request(name, scheme, rest, ref, extractors=("convolution",), metrics=None)
        for name, scheme, rest, ref in (
            ("classic", "classic", "", "classic"),
            ("own", "onnx", str(own), str(own)),
        )
    ]
    folders = [tmp_path / request.name for request in requests]
    for folder in folders:
        folder.mkdir()
    spawning = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawning) as pool,
        Catalog.open(there, write=True) as catalog,
    ):
        for staged in pool.map(stage_in_worker, requests, folders):
            assert staged.faults == ()
            assert commit(catalog, staged).status == "added"
    with filterkit.Workbench(here, registry=Registry(load_plugins())) as bench:
        bench.add("classic")
        bench.add(own)
    assert rows(here) == rows(there)
    assert stored(here) == stored(there)


def test_a_workers_errors_arrive_whole(tmp_path: Path) -> None:
    request = Request("none", "onnx", str(tmp_path / "none.onnx"), "none.onnx")
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning) as pool, pytest.raises(filterkit.FilterkitError) as caught:
        pool.submit(stage_in_worker, request, tmp_path).result()
    assert caught.value.hint
