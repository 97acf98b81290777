"""The conformance check of model sources."""

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
from filterkit.plugins.contributions import NAME
from filterkit.plugins.protocols import ModelSource
from filterkit.records import FetchedModel
from filterkit.testing.files import writes_nothing
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of

Brought = tuple[str, Extraction]
"""A model's origin, and what is in it."""

NONSENSE = ("?no-such-option=1", "?", "no such thing", "../" * 40, "\x00", "x" * 200)
"""Refs that nobody means. They may be refused; they may not break anything."""


def check_source(
    source: ModelSource | Callable[[], ModelSource], *refs: str, wrong: Iterable[str] = ()
) -> None:
    """Try a model source on `refs`, which it must bring, and on nonsense, which it may refuse.

    Parameters
    ----------
    source
        The object, or a class or another factory that takes no arguments.
    refs
        What stands behind ``scheme:``; one that is empty is tried where none is given. Paths must be
        absolute: the check works in an empty folder.
    wrong
        Refs that it must refuse, with one of filterkit's errors.

    Raises
    ------
    ConformanceError
        Lists what it breaks: a scheme that users can type; a model that a catalog takes, with the layers and
        labels that it names; the same filters and the same origin each time, whatever came before; nonsense
        refused in words; progress told in numbers; nothing written outside its folder, no warnings and no
        output; pickling; options.
    """
    subject = subject_of("source", source, "fetch")
    findings, copy = subject.findings, pickled(subject)
    scheme = subject.wrapped.scheme
    fine = isinstance(scheme, str) and NAME.fullmatch(scheme) is not None
    findings.hold(fine, f"has the scheme {scheme!r}; schemes are lower-case letters, digits and -")
    tried: dict[str, tuple[str, Brought]] = {}
    with writes_nothing(findings), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for ref in refs or ("",):
            on = f"'{ref}'"
            if (first := _fetched(findings, Path(folder), subject.wrapped, ref)) is not None:
                tried[on] = ref, first
        for ref in NONSENSE:
            _refused(findings, subject.wrapped, ref, must=False)
        for ref in wrong:
            _refused(findings, subject.wrapped, ref, must=True)
        # Bare, as filterkit keeps what a plugin prints from stdout.
        check_repeats(findings, subject.inner, copy, tried, _brought, _differs)
    findings.conclude()


def _brought(source: ModelSource, ref: str) -> Brought:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fetched = source.fetch(ref, Path(folder), lambda *_: None)
        return fetched.origin, _extraction(fetched)


def _fetched(findings: Findings, folder: Path, wrapped: Any, ref: str) -> Brought | None:
    """Origin and banks of the model; it is put into a catalog on the way."""
    shutil.rmtree(folder)
    workdir = folder / "work"
    workdir.mkdir(parents=True)
    on = f"'{ref}'"
    said: list[tuple[Any, ...]] = []
    fetched = findings.attempt(on, lambda: wrapped.fetch(ref, workdir, lambda *told: said.append(told)))
    if fetched is None:
        return None
    for told in said:
        findings.hold(_is_progress(told), f"tells progress as {told!r}, not as (what, done, total)", on)
    outside = sorted(path.name for path in folder.iterdir() if path != workdir)
    findings.hold(not outside, f"writes outside its folder: {', '.join(outside)}", on)
    findings.hold(bool(fetched.origin.strip()), "says no origin", on)
    extraction = findings.attempt(on, partial(_extraction, fetched))
    if extraction is None:
        return None
    _check_names(findings, fetched, extraction, on)
    findings.attempt(on, partial(_add, folder, fetched))
    return fetched.origin, extraction


def _is_progress(told: tuple[Any, ...]) -> bool:
    match told:
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
    findings.hold(bool(extraction.banks), "brings a model without any filters", on)
    lost = sorted(set(fetched.layer_names or ()) - set(_places(open_graph(fetched.onnx_path))))
    said = f"names layers that are neither node, output nor weight: {', '.join(lost[:3])}"
    findings.hold(not lost, said, on)
    for layer, labels in (fetched.filter_labels or {}).items():
        bank = extraction.banks.get(layer)
        if bank is None:
            findings.add(f"labels the filters of '{layer}', which is no layer", on)
            continue
        count = bank.out_channels
        said = f"gives {len(labels)} labels to the {count} filters of '{layer}'"
        findings.hold(len(labels) == count, said, on)


def _places(graph: GraphView) -> Iterator[str]:
    """What a layer can be named by; which nodes are layers is for extractors to say."""
    for node in graph.nodes:
        yield from (node_name(graph, node), *node.input, *node.output)
    for body in graph.bodies():
        yield from _places(body)


def _differs(one: Brought, other: Brought) -> str:
    ours, theirs = one[1].banks, other[1].banks
    same = (
        one[0] == other[0]
        and list(ours) == list(theirs)
        and all(np.array_equal(ours[n].weights, theirs[n].weights, equal_nan=True) for n in ours)
    )
    return "" if same else "brings another model"


def _refused(findings: Findings, wrapped: Any, ref: str, *, must: bool) -> None:
    shown = repr(ref if len(ref) < 40 else f"{ref[:20]}…")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        fetched = findings.attempt(
            shown, lambda: wrapped.fetch(ref, Path(folder), lambda *_: None), allowed=FilterkitError
        )
    findings.hold(fetched is None or not must, f"takes {shown}, which is wrong")
