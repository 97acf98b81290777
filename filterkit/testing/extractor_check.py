"""Conformance check for weight extractors."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from filterkit.graph.loading.load import open_graph
from filterkit.graph.view.view import GraphView
from filterkit.plugins.protocols import WeightExtractor
from filterkit.records import FilterBank, Skipped
from filterkit.testing.findings import Findings
from filterkit.testing.repeats import check_repeats
from filterkit.testing.subjects import pickled, subject_of
from filterkit.testing.tiny_models import TINY_MODELS, TinyModel, tiny_model

Found = list[FilterBank | Skipped]

FLOATS = ("float16", "float32", "float64")


def check_extractor(
    extractor: WeightExtractor | Callable[[], WeightExtractor], *models: TinyModel | Path
) -> None:
    """Check an extractor with all `TINY_MODELS`, where it may find nothing, and with `models`, where it must.

    Parameters
    ----------
    extractor
        The object, or a class or another factory that takes no arguments.
    models
        ONNX files with banks to find; for a `TinyModel`, exactly its banks and skipped nodes.

    Raises
    ------
    ConformanceError
        Lists all violations. Banks and reasons must refer to existing nodes, each at most once; weights must
        have the stated shape and dtype, and tensors must exist; known weights must match bit by bit; results
        must be the same each time, in any order; the graph must not be modified; no warnings, no output; it
        must be picklable and its options must be valid.
    """
    subject = subject_of("extractor", extractor, "extract")
    findings, wrapped, copy = subject.findings, subject.wrapped, pickled(subject)
    tried: dict[str, tuple[Path, Found]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tiny = ((kind, tiny_model(kind, folder).path, None) for kind in TINY_MODELS)
        for name, path, known in chain(tiny, map(_given, models)):
            graph = open_graph(path)
            found = findings.attempt(name, partial(_extract, wrapped, graph))
            if found is None:
                continue
            tried[name] = path, found
            _check_places(findings, found, graph, name)
            if known is not None:
                _check_known(findings, found, known, name)
        hint = "" if models else "; pass a model with suitable layers to check_extractor"
        any_bank = any(isinstance(each, FilterBank) for _, found in tried.values() for each in found)
        findings.require(any_bank or not tried, f"finds no filter bank in any model{hint}")
        # Unwrapped, as the wrapper redirects what a plugin prints.
        check_repeats(findings, subject.inner, copy, tried, _extracted, _differs)
    findings.conclude()


def _given(model: TinyModel | Path) -> tuple[str, Path, TinyModel | None]:
    path, known = (model.path, model) if isinstance(model, TinyModel) else (Path(model), None)
    return path.name, path, known


def _extract(wrapped: Any, graph: GraphView) -> Found:
    return list(wrapped.extract(graph))


def _extracted(extractor: Any, path: Path) -> Found:
    return _extract(extractor, open_graph(path))


def _check_places(findings: Findings, found: Found, graph: GraphView, name: str) -> None:
    """Check that the nodes of banks and reasons exist."""
    views = {view.scope: view for view in graph.with_bodies()}
    nodes = {
        (f"{scope}/" if scope else "") + own
        for scope, view in views.items()
        for each in view.nodes
        for own in (each.name, *each.output)
        if own
    }
    seen: set[str] = set()
    for each in found:
        findings.require(each.node in nodes, f"names the node '{each.node}', which is not in the graph", name)
        findings.require(each.node not in seen, f"finds the node '{each.node}' twice", name)
        seen.add(each.node)
        if isinstance(each, FilterBank):
            _check_bank(findings, each, views.get(each.scope), name)


def _check_bank(findings: Findings, bank: FilterBank, view: GraphView | None, name: str) -> None:
    at = f"yielded, for node '{bank.node}',"
    if view is None:
        findings.add(f"{at} the scope '{bank.scope}', which is not in the graph", name)
        return
    for field in ("input_tensor", "weight_tensor", "pre_tensor", "post_tensor"):
        tensor = getattr(bank, field)
        findings.require(
            view.home(tensor) is not None, f"{at} the {field} '{tensor}', which is not in the graph", name
        )
    dtype = str(bank.weights.dtype)
    findings.require(
        dtype in FLOATS, f"{at} weights of type {dtype}; the store supports {', '.join(FLOATS)}", name
    )
    wrong = bank.bias is not None and str(bank.bias.dtype) not in FLOATS
    findings.require(not wrong, f"{at} a bias that is not a float array", name)


def _check_known(findings: Findings, found: Found, known: TinyModel, name: str) -> None:
    banks = {each.node: each for each in found if isinstance(each, FilterBank)}
    skipped = {each.node for each in found if isinstance(each, Skipped)}
    missing = [node for node in known.weights if node not in banks]
    findings.require(not missing, f"does not find {', '.join(missing)}", name)
    silent = [node for node in known.skipped if node not in skipped]
    findings.require(not silent, f"does not report {', '.join(silent)} as skipped", name)
    more = [node for node in banks if node not in known.weights]
    findings.require(not more, f"finds {', '.join(more)}, which is not a filter bank", name)
    for node in known.weights.keys() & banks.keys():
        bank, bias = banks[node], known.biases.get(node)
        same = np.array_equal(bank.weights, known.weights[node], equal_nan=True)
        findings.require(same, f"finds wrong weights in {node}", name)
        same = bank.bias is None if bias is None else np.array_equal(bank.bias, bias)  # type: ignore[arg-type]
        findings.require(bool(same), f"finds a wrong bias in {node}", name)


def _differs(one: Found, other: Found) -> str:
    same = len(one) == len(other) and all(map(_alike, one, other))
    return "" if same else "finds something different"


def _alike(one: Any, other: Any) -> bool:
    """Whether all fields are equal; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other, equal_nan=True)
    if not is_dataclass(one):
        return bool(one == other)
    return type(one) is type(other) and all(
        _alike(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
    )
