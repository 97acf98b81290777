"""Add a model to the catalog: choose the source, fetch, ingest, notify the plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit import budget
from filterkit.byte_sizes import parse_size
from filterkit.errors import UsageError
from filterkit.records import IngestEvent

if TYPE_CHECKING:
    from filterkit.catalog.ingested import IngestResult
    from filterkit.plugins.checked import Checked
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
    from filterkit.catalog.database import catalog_path
    from filterkit.catalog.ingest import ingest
    from filterkit.catalog.measuring import refuse
    from filterkit.catalog.model_names import check_name, name_from_ref
    from filterkit.catalog.queries import makers_of_model
    from filterkit.operations.plugins import hint_missing_plugins
    from filterkit.sources.onnx_file import OnnxFile, refuse_folder
    from filterkit.sources.presets import parse_preprocessing
    from filterkit.sources.refs import split_ref
    from filterkit.sources.zoo import known

    registry = session.registry
    most = parse_size(memory) if isinstance(memory, str) else memory
    # The whole request is validated before anything is fetched.
    schemes = {offer.name for offer in registry.offers("source")}
    networks = [str(row["name"]) for row in known()]
    with hint_missing_plugins(session):
        scheme, rest = split_ref(ref, schemes, networks, hint=partial(registry.hint, "source"))
        if scheme == OnnxFile.scheme and rest:  # no name can be derived from a folder such as ".."
            refuse_folder(rest)
        name = check_name(name or name_from_ref(ref))
        stated = parse_preprocessing(preprocessing) if preprocessing else None
        source = registry.create("source", scheme)
        chosen = [registry.create("extractor", spec) for spec in extractors]
        named = [registry.create("metric", spec) for spec in metrics or ()]
    measuring = registry.metrics() if metrics is None else named
    exists = catalog_path(session.location).exists()
    if exists:
        session.catalog(write=True)  # raises if it is not writable; a new one is created with its first model

    # Windows cannot delete files that are still mapped, as external data may be.
    with (
        budget.limited(Path(ref).name or name, timeout, most),
        tempfile.TemporaryDirectory(prefix="filterkit-", ignore_cleanup_errors=True) as folder,
    ):
        budget.step("fetching {}", ref)
        fetched = source.fetch(rest, Path(folder), session.progress)
        if stated:
            fetched = changed(fetched, preprocessing=stated)
        catalog = session.catalog(write=True) if exists else partial(session.catalog, write=True)
        result = ingest(
            *(catalog, name, scheme, ref, fetched, chosen, measuring),
            lambda working: makers([source, *chosen, *working]),
            fault=refuse if named else session.plugins.leave_out,
            replace=replace,
            fold_batchnorm=fold_batchnorm,
        )
    if stated and result.status in ("unchanged", "restored"):
        raise UsageError(
            f"{name} is already in the catalog, and its preprocessing was not changed",
            hint="--replace adds it again with the given preprocessing",
        )
    if result.status in ("unchanged", "restored"):
        missing = {each.spec for each in chosen} - makers_of_model(session.catalog(), name)
        if missing:
            raise UsageError(
                f"{name} is already in the catalog, but was not extracted with {', '.join(sorted(missing))}",
                hint="--replace adds it again with the given extractors",
            )
    if result.status in ("added", "replaced"):
        versions = {name: about["version"] for name, about in result.plugins.items()}
        event = IngestEvent(session.location, name, result.layers, result.filters, result.skipped, versions)
        session.plugins.call("filterkit_after_ingest", event=event)
    return result


def makers(used: Sequence[Checked[Any]]) -> dict[str, dict[str, Any]]:
    """What the catalog records of the plugins that made rows: version and used specs, by plugin name."""
    versions = {each.plugin.name: each.plugin.version for each in used}
    return {
        name: {"version": version, "made_by": [each.spec for each in used if each.plugin.name == name]}
        for name, version in versions.items()
    }
