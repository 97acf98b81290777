"""From a ref to a staged model: everything that takes time, none of which needs a catalog.

A request and what is staged are plain values, which can be pickled: `stage_in_worker` runs in any process
that has the same plugins and shares the staging folder. `filterkit.ingest.commit` writes the result to a
catalog.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit import budget
from filterkit.address import check_name
from filterkit.catalog.bank_files import write_banks
from filterkit.catalog.metrics import measure, metric_columns, unmeasured, with_free_columns
from filterkit.catalog.store import MODEL_FILE, model_sha256
from filterkit.errors import CatalogError, FilterkitError, UsageError
from filterkit.graph.loading.load import check_file, open_graph
from filterkit.graph.view.view import GraphView
from filterkit.hashing import bytes_on_disk, file_sha256
from filterkit.ingest import describe
from filterkit.ingest.describe import Columns, Row
from filterkit.ingest.extract import external_files, extract
from filterkit.plugins.checked import provenance
from filterkit.records import FetchedModel, Preprocessing

if TYPE_CHECKING:
    from filterkit.plugins.protocols import ModelSource, Progress
    from filterkit.plugins.registry import Registry


@dataclass(frozen=True, slots=True)
class Known:
    """The model that a catalog already has under the requested name.

    Attributes
    ----------
    sha256, ref, fold_batchnorm
        As in its row of table `model`.
    files
        Names of its files in the store, relative to its folder; empty if its banks are missing there.
    """

    sha256: str
    ref: str
    fold_batchnorm: bool
    files: frozenset[str]

    def is_complete(self, external: Sequence[str]) -> bool:
        """Whether the store has the model with its `external` data and its banks."""
        return self.files.issuperset((MODEL_FILE, *map(posixpath.normpath, external)))


@dataclass(frozen=True, slots=True)
class Request:
    """What to stage.

    Attributes
    ----------
    name
        The model's name in the catalog.
    scheme, rest, ref
        The source, what it fetches, and the two as the user typed them.
    extractors
        Specs. If two extractors return the same convolution, the first wins.
    metrics
        Specs: if one of them fails, staging fails. None for all that plugins contribute: those that fail are
        left out.
    preprocessing
        What the user states, instead of what the source says.
    fold_batchnorm
        Fold batch norms into the filters before them.
    known
        What the catalog has under `name`, unless that is to be replaced. A complete model with the same
        content is not extracted again; one that was folded stays folded.
    timeout, memory
        Limits, as in `budget.limited`.
    """

    name: str
    scheme: str
    rest: str
    ref: str
    extractors: tuple[str, ...] = ()
    metrics: tuple[str, ...] | None = ()
    preprocessing: Preprocessing | None = None
    fold_batchnorm: bool = False
    known: Known | None = None
    timeout: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Makers:
    """The objects of plugins that a request names; they stay in their process."""

    source: ModelSource | None
    extractors: Sequence[Any]
    metrics: Sequence[Any]

    @classmethod
    def of(cls, request: Request, registry: Registry) -> Makers:
        """Create them.

        Raises
        ------
        UsageError
            A spec names nothing, or has wrong options.
        PluginError
            A plugin does not work.
        """
        return cls(
            registry.create("source", request.scheme),
            [registry.create("extractor", spec) for spec in request.extractors],
            registry.metrics()
            if request.metrics is None
            else [registry.create("metric", spec) for spec in request.metrics],
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """What was extracted from a model and measured.

    Attributes
    ----------
    model
        Its row of table `model`, but for the time it is added.
    layers, skipped, edges
        Rows of these tables, without the model's id.
    filters
        Columns of table `filter` for each layer, without the layer's id.
    banks_path
        The file of its banks, as the store has it; its hash is in `model`.
    not_finite
        How many filters have a weight that is NaN or infinite.
    unmeasured
        Columns that stay empty because their metric failed.
    """

    model: Row
    layers: Sequence[Row]
    skipped: Sequence[Row]
    edges: Sequence[Row]
    filters: Sequence[Columns]
    banks_path: Path
    not_finite: int
    unmeasured: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """A model that is ready to be committed.

    Attributes
    ----------
    onnx_path, external
        Its ONNX file, and the names of its external data relative to that.
    sha256
        The hash of all of these.
    contents
        None if the catalog has the same model already, complete.
    faults
        Specs of metrics that were left out, each with its error.
    """

    name: str
    onnx_path: Path
    external: tuple[str, ...]
    sha256: str
    contents: Contents | None
    faults: tuple[tuple[str, FilterkitError], ...]


def _no_progress(what: str, done: int, total: int | None) -> None:
    pass


def stage(request: Request, folder: Path, makers: Makers, progress: Progress = _no_progress) -> Staged:
    """Fetch a model and stage it in an empty folder, which must stay until the model is committed.

    Raises
    ------
    FilterkitError
        As `stage_model` does, or the source cannot fetch the model.
    """
    assert makers.source is not None
    with budget.limited(Path(request.ref).name or request.name, request.timeout, request.memory):
        budget.step("fetching {}", request.ref)
        workdir = folder / "fetched"
        workdir.mkdir()
        fetched = makers.source.fetch(request.rest, workdir, progress)
        if request.preprocessing:
            fetched = dataclasses.replace(fetched, preprocessing=request.preprocessing)
        return stage_model(request, fetched, folder, makers, progress)


def stage_in_worker(request: Request, folder: Path) -> Staged:
    """`stage` with the plugins of this process, loaded once: what an executor runs in its workers."""
    return stage(request, folder, Makers.of(request, _registry()))


@cache
def _registry() -> Registry:
    from filterkit.plugins.host import load_plugins
    from filterkit.plugins.registry import Registry

    return Registry(load_plugins(report=lambda line: None))  # the process that commits reports the same


def stage_model(
    request: Request, fetched: FetchedModel, folder: Path, makers: Makers, progress: Progress = _no_progress
) -> Staged:
    """Extract and measure every filter of a model that was fetched, and write its banks into `folder`.

    Raises
    ------
    UsageError
        The name is not valid; or batch norms are to be folded, which they are not in the catalog.
    ModelError
        The file is not an ONNX model, or has no convolution that can be extracted; or that takes more than
        `budget.limited` allows.
    CatalogError
        The catalog has another model under this name, or the banks cannot be written.
    PluginContractError
        Two metrics have the same column, or values of a metric or labels do not fit the filters.
    """
    check_name(request.name)
    strict = request.metrics is not None
    metrics, faults = with_free_columns(makers.metrics, strict=strict)
    graph, external, sha256 = _open(fetched.onnx_path)
    folded, complete = _compare(request, sha256, external)
    contents = None
    if not complete:
        extraction = extract(graph, fetched, makers.extractors, fold_batchnorm=folded)
        report = partial(progress, f"measuring {request.name}")
        measured, working, failed = measure(extraction.banks.items(), metrics, strict=strict, report=report)
        faults += failed
        layers, filters = describe.layers_and_filters(extraction, fetched.filter_labels or {}, measured)
        edges = describe.edges(graph, layers)
        model = {
            "name": request.name,
            "source": request.scheme,
            "ref": request.ref,
            "origin": fetched.origin,
            "license": fetched.license,
            "sha256": sha256,
            **describe.model_columns(graph, extraction, layers),
            "edges": None if edges is None else len(edges),
            **metric_columns(working),
            "plugins": provenance((makers.source, *makers.extractors, *working)),
            "fold_batchnorm": int(folded),
        }
        budget.look()  # the last time: what is written from here on is written to its end
        banks_path = folder / "banks.safetensors"
        model["banks_sha256"] = _write(banks_path, extraction.banks)
        contents = Contents(
            model,
            layers,
            describe.skipped_rows(extraction.skipped),
            edges or (),
            filters,
            banks_path,
            sum(map(describe.not_finite, extraction.banks.values())),
            tuple(unmeasured(makers.metrics, working)),
        )
    by_spec = tuple((str(metric), error) for metric, error in faults)
    return Staged(request.name, fetched.onnx_path, tuple(external), sha256, contents, by_spec)


def _open(path: Path) -> tuple[GraphView, list[str], str]:
    """The graph of an ONNX file, the names of its external data, and the hash of all."""
    check_file(path)  # before it is hashed, which would never end for a pipe
    budget.allow(bytes_on_disk(path))
    with ThreadPoolExecutor(1) as aside:
        hashing = aside.submit(file_sha256, path)
        graph = open_graph(path)
    external = external_files(graph)
    budget.allow(sum(bytes_on_disk(path.parent / name) for name in external))
    budget.step("hashing its files")
    return graph, external, model_sha256(path, external, hashing.result())


def _compare(request: Request, sha256: str, external: Sequence[str]) -> tuple[bool, bool]:
    """Whether batch norms are folded, and whether the catalog has the model already, complete."""
    known = request.known
    if known is None:
        return request.fold_batchnorm, False
    if known.sha256 != sha256:
        raise another_model(request.name, known.ref)
    if request.fold_batchnorm and not known.fold_batchnorm:
        raise UsageError(
            f"{request.name} is already in the catalog, without batch norms folded",
            hint="--replace replaces it with one that has them folded",
        )
    return known.fold_batchnorm, known.is_complete(external)


def another_model(name: str, ref: str) -> CatalogError:
    """The error if a name is taken; `ref` is that of the model that has it."""
    return CatalogError(
        f"there is another model named {name} in the catalog, from {ref}",
        hint="--replace replaces it, --name adds this one under another name",
    )


def _write(path: Path, banks: Mapping[str, Any]) -> str:
    try:
        return write_banks(path, banks)
    except OSError as error:
        raise CatalogError(
            f"the filter banks cannot be written to {path.parent}: {error.strerror or error}",
            hint="check for free disk space; TMPDIR sets another folder for temporary files",
        ) from error
