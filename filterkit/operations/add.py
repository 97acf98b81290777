"""From a ref to rows: pick the source, fetch, ingest, tell the plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit import budget
from filterkit.byte_sizes import parse_size
from filterkit.errors import UsageError
from filterkit.records import IngestEvent

if TYPE_CHECKING:
    from filterkit.ingest.ingested import IngestResult
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
    """See `Worksession.add`."""
    from filterkit.address import check_name, name_from_ref
    from filterkit.catalog.database import catalog_path
    from filterkit.catalog.queries import makers_of_model
    from filterkit.ingest.commit import ingest
    from filterkit.operations.plugins import hint_missing_plugins
    from filterkit.plugins.checked import makers
    from filterkit.sources.onnx_file import OnnxFile, refuse_folder
    from filterkit.sources.presets import parse_preprocessing
    from filterkit.sources.refs import split_ref
    from filterkit.sources.zoo import known

    registry = session.registry
    most = parse_size(memory) if isinstance(memory, str) else memory
    # All that can be wrong with the request is looked at before anything is fetched.
    schemes = {offer.name for offer in registry.offers("source")}
    networks = [str(row["name"]) for row in known()]
    with hint_missing_plugins(session):
        scheme, rest = split_ref(ref, schemes, networks, hint=partial(registry.hint, "source"))
        if scheme == OnnxFile.scheme and rest:  # of which no name can be made, as of ".."
            refuse_folder(rest)
        name = check_name(name or name_from_ref(ref))
        stated = parse_preprocessing(preprocessing) if preprocessing else None
        source = registry.create("source", scheme)
        chosen = [registry.create("extractor", spec) for spec in extractors]
        named = [registry.create("metric", spec) for spec in metrics or ()]
    measuring = registry.metrics() if metrics is None else named
    exists = catalog_path(session.location).exists()
    if exists:
        session.catalog(write=True)  # raises where it cannot be written; a new one waits for a model

    # Windows deletes no file that is still mapped, as external data may be.
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
            fault=None if named else session.plugins.leave_out,
            replace=replace,
            fold_batchnorm=fold_batchnorm,
        )
    if stated and result.status in ("unchanged", "restored"):
        raise UsageError(
            f"{name} is in the catalog already, and its preprocessing stays as it was",
            hint="--replace catalogues it anew with the one given",
        )
    if result.status in ("unchanged", "restored"):
        missing = {each.spec for each in chosen} - makers_of_model(session.catalog(), name)
        if missing:
            raise UsageError(
                f"{name} is in the catalog already, extracted by others than {', '.join(sorted(missing))}",
                hint="--replace catalogues it anew with the extractors given",
            )
    if result.status in ("added", "replaced"):
        versions = {name: about["version"] for name, about in result.plugins.items()}
        event = IngestEvent(session.location, name, result.layers, result.filters, result.skipped, versions)
        session.plugins.call("filterkit_after_ingest", event=event)
    return result
