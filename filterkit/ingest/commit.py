"""Taking a model into a catalog: all of it, or nothing."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from filterkit import budget
from filterkit.address import check_name
from filterkit.catalog import schema
from filterkit.catalog.database import Catalog
from filterkit.catalog.metrics import (
    Measured,
    Metric,
    measure,
    metric_columns,
    unmeasured,
    with_free_columns,
)
from filterkit.catalog.removal import sweep
from filterkit.catalog.store import model_sha256
from filterkit.catalog.values import check_rows
from filterkit.errors import CatalogError, FilterkitError, UsageError
from filterkit.graph.load import check_file
from filterkit.graph.view import GraphView, open_graph
from filterkit.hashing import bytes_on_disk, file_sha256
from filterkit.ingest import describe
from filterkit.ingest.extract import Extraction, external_files, extract
from filterkit.ingest.ingested import IngestResult, result_of
from filterkit.ingest.parameter_counts import count_parameters
from filterkit.records import FetchedModel, Skipped

if TYPE_CHECKING:
    from filterkit.plugins.protocols import WeightExtractor

Row = dict[str, Any]
Columns = dict[str, Sequence[Any]]


def ingest(
    catalog: Catalog | Callable[[], Catalog],
    name: str,
    source: str,
    ref: str,
    fetched: FetchedModel,
    extractors: Sequence[WeightExtractor],
    metrics: Sequence[Metric],
    plugins: Callable[[Sequence[Any]], Mapping[str, Any]],
    *,
    fault: Callable[[Any, FilterkitError], None] | None = None,
    replace: bool = False,
    fold_batchnorm: bool = False,
) -> IngestResult:
    """Extract every filter of a model, and put model, banks and rows into catalog and store.

    Parameters
    ----------
    catalog
        Opened for writing; or what opens one, called once it is known that the model can be taken.
    name
        The model's name in the catalog.
    source, ref
        The scheme of its source, and what a user typed to get it.
    extractors, metrics
        Where two extractors bring one convolution, the first wins.
    plugins
        Given the metrics that measured, what is known of the plugins that take part, by name; stored with the
        model as it is.
    fault
        Told of a metric that fails or whose columns are taken. Where it does not raise, the model is
        catalogued without what it would have measured.
    replace
        Put it in the place of a model of that name with other content, or write the same one anew.
    fold_batchnorm
        Fold batch norms into the filters in front of them. A model that was catalogued so stays so.

    Raises
    ------
    UsageError
        Where `name` cannot be a name, or batch norms were kept apart when the model was catalogued.
    ModelError
        Where the file is no ONNX model, or holds no convolution that can be extracted; or where that takes
        more than `budget.limited` allows.
    CatalogError
        Where another model of that name is there, or it cannot be written. The catalog is as it was.
    PluginContractError
        Where two metrics have the same column, or something does not fit the filters.
    """
    check_name(name)
    fitting, faults = with_free_columns(metrics, strict=fault is None)
    for metric, error in faults:
        assert fault is not None
        fault(metric, error)
    path = fetched.onnx_path
    check_file(path)  # before it is hashed, which takes its time if the file is huge, or for ever
    budget.allow(bytes_on_disk(path))
    with ThreadPoolExecutor(1) as aside:
        hashing = aside.submit(file_sha256, path)
        graph = open_graph(path)
    external = external_files(graph)
    budget.allow(sum(bytes_on_disk(path.parent / name) for name in external))
    budget.step("hashing its files")
    sha256 = model_sha256(path, external, hashing.result())
    done = None
    if not isinstance(catalog, Catalog):  # a new one has nothing to compare with, and may never be needed
        done = _work(graph, fetched, extractors, fitting, fault, fold_batchnorm=fold_batchnorm)
        catalog = catalog()
    with catalog.connect() as connection:
        known = _known(connection, name, sha256, replace)
    if known and not replace:
        fold_batchnorm = _folded_as_before(known, fold_batchnorm)
    if known and not replace and catalog.store.holds(sha256, known["banks_sha256"], external):
        return result_of("unchanged", known)
    extraction, working, layers, filters = done or _work(
        graph, fetched, extractors, fitting, fault, fold_batchnorm=fold_batchnorm
    )
    row = {
        "name": name,
        "source": source,
        "ref": ref,
        "origin": fetched.origin,
        "license": fetched.license,
        "sha256": sha256,
        "producer": graph.producer_name,
        "opset": graph.opset,
        "layers": len(layers),
        "filters": sum(layer["filters"] for layer in layers),
        "kernels": sum(layer["kernels"] for layer in layers),
        "parameters": count_parameters(graph, extraction.banks.values()),
        "skipped": len(extraction.skipped),
        **describe.input_columns(extraction),
        "plugins": dict(plugins(working)),
        **metric_columns(working),
        "fold_batchnorm": int(fold_batchnorm),
        "added_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    try:
        with catalog.begin() as connection, _writing(catalog):
            known = _known(connection, name, sha256, replace)  # another process may have been quicker
            if known and not replace and catalog.store.holds(sha256, known["banks_sha256"], external):
                return result_of("unchanged", known)
            row["banks_sha256"] = catalog.store.put(path, external, sha256, extraction.banks, anew=replace)
            if known and not replace:
                if known["banks_sha256"] != row["banks_sha256"]:
                    raise CatalogError(
                        f"other filters come out of {name} today than when it was added",
                        hint="--replace puts them in the place of the old ones",
                    )
                return result_of("restored", known)
            connection.execute(sa.delete(schema.model).where(schema.model.c.name == name))
            _insert(connection, row, layers, filters, extraction.skipped)
    finally:
        with suppress(CatalogError):  # what is left over now is swept next time
            sweep(catalog)
    not_finite = sum(describe.not_finite(bank) for bank in extraction.banks.values())
    result = result_of("replaced" if known else "added", row)
    return dataclasses.replace(result, not_finite=not_finite, unmeasured=tuple(unmeasured(metrics, working)))


def _work(
    graph: GraphView,
    fetched: FetchedModel,
    extractors: Sequence[WeightExtractor],
    metrics: Sequence[Metric],
    fault: Callable[[Any, FilterkitError], None] | None,
    *,
    fold_batchnorm: bool,
) -> tuple[Extraction, list[Metric], list[Row], list[Columns]]:
    """All that takes time and writes nothing: what is extracted, which metrics worked, and the rows.

    It is the last that is held to a budget: what is written then is written to its end.
    """
    extraction = extract(graph, fetched, extractors, fold_batchnorm=fold_batchnorm)
    measured, working, faults = measure(extraction.banks.items(), metrics, strict=fault is None)
    for metric, error in faults:
        assert fault is not None
        fault(metric, error)
    layers, filters = _layer_rows(extraction, fetched, measured)
    budget.look()
    return extraction, working, layers, filters


def _layer_rows(
    extraction: Extraction, fetched: FetchedModel, measured: Sequence[Measured]
) -> tuple[list[Row], list[Columns]]:
    """One row per layer, and the columns of its filters."""
    labels = fetched.filter_labels or {}
    layers, filters = [], []
    for position, (name, bank) in enumerate(extraction.banks.items()):
        budget.step("making the rows of layer '{}'", name)
        of_bank, geometry = measured[position], extraction.geometries[position]
        layers.append(describe.layer_row(position, name, bank, geometry, of_bank))
        filters.append(describe.filter_columns(name, bank, of_bank, labels.get(name)))
    return layers, filters


def _known(connection: sa.Connection, name: str, sha256: str, replace: bool) -> Row | None:
    """The row of the model of that name, where there is one; it has that content, or may be replaced."""
    rows = connection.execute(sa.select(schema.model).where(schema.model.c.name == name)).mappings()
    found = next(iter(check_rows(rows, dict(schema.model.c.items()))), None)
    if found is None:
        return None
    if found["sha256"] != sha256 and not replace:
        raise CatalogError(
            f"there is another model named {name} in the catalog, from {found['ref']}",
            hint="--replace puts this one in its place, --name gives it another name",
        )
    return found


def _folded_as_before(known: Row, wanted: bool) -> bool:
    """Whether batch norms are folded: as they are in the catalog, unless that contradicts what is wanted."""
    if wanted and not known["fold_batchnorm"]:
        raise UsageError(
            f"{known['name']} is in the catalog already, with its batch norms apart",
            hint="--replace catalogues it anew, with them folded",
        )
    return bool(known["fold_batchnorm"])


def _insert(
    connection: sa.Connection,
    row: Row,
    layers: Sequence[Row],
    filters: Sequence[Columns],
    skipped: Sequence[Skipped],
) -> None:
    key = connection.execute(sa.insert(schema.model).values(row)).inserted_primary_key
    assert key is not None
    model_id = int(key[0])
    if layers:
        connection.execute(sa.insert(schema.layer), [{"model_id": model_id, **layer} for layer in layers])
    of_model = sa.select(schema.layer.c.id).where(schema.layer.c.model_id == model_id)
    layer_ids = connection.scalars(of_model.order_by(schema.layer.c.position))
    # Thousands of plain values: SQLite takes them as they are, several times quicker than through SQLAlchemy.
    for layer_id, columns in zip(layer_ids.all(), filters, strict=True):
        names = ", ".join(f'"{name}"' for name in ("layer_id", *columns))
        statement = f'INSERT INTO "{schema.filter_.name}" ({names}) VALUES (?{", ?" * len(columns)})'
        rows = list(zip(repeat(layer_id), *columns.values(), strict=False))
        connection.exec_driver_sql(statement, rows)
    if skipped:
        nodes = [describe.skipped_row(position, each) for position, each in enumerate(skipped)]
        connection.execute(sa.insert(schema.skipped), [{"model_id": model_id, **each} for each in nodes])


@contextmanager
def _writing(catalog: Catalog) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CatalogError(
            f"the store {catalog.store.folder} cannot be written: {error}",
            hint="is there room, and is it yours?",
        ) from error
