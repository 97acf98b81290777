"""Add a model to the catalog: stage it, commit it, and notify the plugins."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.budget import parse_size
from filterkit.errors import UsageError
from filterkit.records import IngestEvent

if TYPE_CHECKING:
    from filterkit.ingest.commit import IngestResult
    from filterkit.ingest.stage import Request
    from filterkit.session import Session


def add(
    session: Session,
    ref: str,
    *,
    name: str | None,
    replace: bool,
    preprocessing: str | None,
    fold_batchnorm: bool,
    extractors: Sequence[str],
    metrics: Sequence[str] | None,
    timeout: float | None,
    memory: int | str | None,
) -> IngestResult:
    """See `Workbench.add`."""
    from filterkit.address import check_name, name_from_ref
    from filterkit.catalog.database import catalog_path
    from filterkit.ingest.commit import commit, known_model
    from filterkit.ingest.stage import Makers, Request, stage
    from filterkit.operations.plugins import hint_missing_plugins
    from filterkit.sources.onnx_file import OnnxFile, refuse_folder
    from filterkit.sources.presets import parse_preprocessing
    from filterkit.sources.refs import split_ref
    from filterkit.sources.zoo import names

    registry = session.registry
    most = parse_size(memory) if isinstance(memory, str) else memory
    # The whole request is checked before anything is fetched.
    schemes = {registration.name for registration in registry.registrations("source")}
    networks = names()
    with hint_missing_plugins(session):
        scheme, rest = split_ref(ref, schemes, networks, hint=partial(registry.hint, "source"))
        if scheme == OnnxFile.scheme and rest:  # first, as a folder such as ".." suggests no name
            refuse_folder(rest)
        request = Request(
            check_name(name or name_from_ref(ref)),
            scheme,
            rest,
            ref,
            tuple(extractors),
            None if metrics is None else tuple(metrics),
            parse_preprocessing(preprocessing) if preprocessing else None,
            fold_batchnorm,
            timeout=timeout,
            memory=most,
        )
        makers = Makers.of(request, registry)
    if catalog_path(session.location).exists():
        catalog = session.catalog(write=True)  # raises if it cannot be written; a new one is created below
        if not replace:
            request = dataclasses.replace(request, known=known_model(catalog, request.name))

    # Windows cannot delete files that are still mapped, as external data may be.
    with (
        tempfile.TemporaryDirectory(prefix="filterkit-", ignore_cleanup_errors=True) as folder,
        session.progress() as progress,
    ):
        staged = stage(request, Path(folder), makers, progress)
        by_spec = {str(metric): metric for metric in makers.metrics}
        for spec, error in staged.faults:
            session.plugins.leave_out(by_spec[spec], error)
        result = commit(session.catalog(write=True), staged, replace=replace, verify=False)
    if result.status in ("unchanged", "restored"):
        _check_unchanged(session, request, {each.spec for each in makers.extractors})
    else:
        versions = {plugin: about["version"] for plugin, about in result.plugins.items()}
        event = IngestEvent(
            session.location, result.model, result.layers, result.filters, result.skipped, versions
        )
        session.plugins.call("filterkit_after_ingest", event=event)
    return result


def _check_unchanged(session: Session, request: Request, extractors: set[str]) -> None:
    """Raise UsageError if the model, which stays as it is, was added in another way than requested."""
    from filterkit.catalog.listings import makers_of_model

    name = request.name
    if request.preprocessing:
        raise UsageError(
            f"{name} is already in the catalog; its preprocessing is unchanged",
            hint="--replace replaces it, with the given preprocessing",
        )
    missing = extractors - makers_of_model(session.catalog(), name)
    if missing:
        raise UsageError(
            f"{name} is already in the catalog, but was not extracted with {', '.join(sorted(missing))}",
            hint="--replace replaces it, with the given extractors",
        )
