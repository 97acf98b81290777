"""Conformance check for model sources."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from filterkit.catalog import Catalog
from filterkit.errors import FilterkitError
from filterkit.extractors.convolution import ConvolutionExtractor
from filterkit.graph.layers.layers import node_name
from filterkit.graph.loading.load import open_graph
from filterkit.graph.view.view import GraphView
from filterkit.ingest.commit import commit
from filterkit.ingest.extract import Extraction, extract
from filterkit.ingest.stage import Makers, Request, stage_model
from filterkit.plugins.protocols import ModelSource
from filterkit.plugins.registry import NAME
from filterkit.records import FetchedModel
from filterkit.testing.findings import Findings, writes_nothing
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

Fetched = tuple[str, Extraction]
"""Origin and content of a model."""

INVALID = ("?no-such-option=1", "?", "no such thing", "../" * 40, "\x00", "x" * 200)
"""Invalid references, which may be rejected but must not break anything."""


def check_source(
    source: ModelSource | Callable[[], ModelSource], *refs: str, wrong: Iterable[str] = ()
) -> None:
    """Check a model source with `refs`, which it must fetch, and invalid references, which it may reject.

    Parameters
    ----------
    source
        The object, or a class or another factory that takes no arguments.
    refs
        Text after ``scheme:``; if none is given, an empty one is tried. Paths must be absolute, as the check
        runs in an empty folder.
    wrong
        References that it must reject with one of filterkit's errors.

    Raises
    ------
    ConformanceError
        Lists all violations. The scheme must be valid; a catalog must accept the model, with the layers and
        labels that it names; filters and origin must be the same each time, in any order; invalid references
        must be rejected with an error message; progress must be numeric; no files outside its folder, no
        warnings, no output; it must be picklable and its options must be valid.
    """
    subject = subject_of("source", source, "fetch")
    findings, copy = subject.findings, pickled(subject)
    scheme = subject.wrapped.scheme
    fine = isinstance(scheme, str) and NAME.fullmatch(scheme) is not None
    findings.require(fine, f"has the scheme {scheme!r}; schemes are lower-case letters, digits and -")
    tried: dict[str, tuple[str, Fetched]] = {}
    with writes_nothing(findings), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for ref in refs or ("",):
            on = f"'{ref}'"
            if (first := _fetched(findings, Path(folder), subject.wrapped, ref)) is not None:
                tried[on] = ref, first
        for ref in INVALID:
            _check_rejected(findings, subject.wrapped, ref, must=False)
        for ref in wrong:
            _check_rejected(findings, subject.wrapped, ref, must=True)
        # Bare, as filterkit keeps what a plugin prints from stdout.
        check_repeats(findings, subject.inner, copy, tried, _fetch_bare, _differs)
    findings.conclude()


def _fetch_bare(source: ModelSource, ref: str) -> Fetched:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fetched = source.fetch(ref, Path(folder), lambda *_: None)
        return fetched.origin, _extraction(fetched)


def _fetched(findings: Findings, folder: Path, wrapped: Any, ref: str) -> Fetched | None:
    """Origin and banks of the model, which is also added to a catalog."""
    shutil.rmtree(folder)
    workdir = folder / "work"
    workdir.mkdir(parents=True)
    on = f"'{ref}'"
    reported: list[tuple[Any, ...]] = []
    fetched = findings.attempt(
        on, lambda: wrapped.fetch(ref, workdir, lambda *progress: reported.append(progress))
    )
    if fetched is None:
        return None
    for progress in reported:
        findings.require(
            _is_progress(progress), f"reports progress as {progress!r}, not as (what, done, total)", on
        )
    outside = sorted(path.name for path in folder.iterdir() if path != workdir)
    findings.require(not outside, f"writes files outside its folder: {', '.join(outside)}", on)
    findings.require(bool(fetched.origin.strip()), "returned no origin", on)
    extraction = findings.attempt(on, partial(_extraction, fetched))
    if extraction is None:
        return None
    _check_names(findings, fetched, extraction, on)
    findings.attempt(on, partial(_add, folder, fetched))
    return fetched.origin, extraction


def _is_progress(progress: tuple[Any, ...]) -> bool:
    match progress:
        case (str(), int(done), int() | None):
            return done >= 0
    return False


def _extraction(fetched: FetchedModel) -> Extraction:
    return extract(open_graph(fetched.onnx_path), fetched, [ConvolutionExtractor()])


def _add(folder: Path, fetched: FetchedModel) -> None:
    with Catalog.open(folder / "catalog.db", write=True) as catalog:
        request = Request("checked", "checked", "", "checked")
        commit(catalog, stage_model(request, fetched, folder, Makers(None, [ConvolutionExtractor()], [])))


def _check_names(findings: Findings, fetched: FetchedModel, extraction: Extraction, on: str) -> None:
    findings.require(bool(extraction.banks), "fetches a model without filters", on)
    lost = sorted(set(fetched.layer_names or ()) - set(_places(open_graph(fetched.onnx_path))))
    problem = f"names layers that match no node, output or weight: {', '.join(lost[:3])}"
    findings.require(not lost, problem, on)
    for layer, labels in (fetched.filter_labels or {}).items():
        bank = extraction.banks.get(layer)
        if bank is None:
            findings.add(f"labels the filters of '{layer}', which is not a layer", on)
            continue
        count = bank.out_channels
        problem = f"returned {len(labels)} labels for the {count} filters of '{layer}'"
        findings.require(len(labels) == count, problem, on)


def _places(graph: GraphView) -> Iterator[str]:
    """Names by which a layer can be referred to; extractors decide which nodes are layers."""
    for node in graph.nodes:
        yield from (node_name(graph, node), *node.input, *node.output)
    for body in graph.bodies():
        yield from _places(body)


def _differs(one: Fetched, other: Fetched) -> str:
    ours, theirs = one[1].banks, other[1].banks
    same = (
        one[0] == other[0]
        and list(ours) == list(theirs)
        and all(np.array_equal(ours[n].weights, theirs[n].weights, equal_nan=True) for n in ours)
    )
    return "" if same else "fetches a different model"


def _check_rejected(findings: Findings, wrapped: Any, ref: str, *, must: bool) -> None:
    shown = repr(ref if len(ref) < 40 else f"{ref[:20]}…")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fetched = findings.attempt(
            shown, lambda: wrapped.fetch(ref, Path(folder), lambda *_: None), allowed=FilterkitError
        )
    findings.require(fetched is None or not must, f"accepts {shown}, which is invalid")
