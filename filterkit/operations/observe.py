"""Observe how filters respond to pictures, and keep it in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from filterkit.errors import CatalogError, FilterkitError, ImageError, UsageError
from filterkit.operations.requested_observation import (
    ObserveOptions,
    check_options,
    observation_name,
    stored_options,
    whole_layers,
    with_earlier,
)
from filterkit.operations.requested_pictures import (
    as_source,
    found_pictures,
    listed_pictures,
    parse_size,
    picture_preprocessing,
)
from filterkit.records import ObserveEvent, RunOptions
from filterkit.results.observe import Observation, ObserveStatus

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.database import Catalog
    from filterkit.catalog.observations import Image
    from filterkit.operations.observed_pictures import Decoder, Plan, Unreadable
    from filterkit.operations.observing import Observing
    from filterkit.records import Preprocessing
    from filterkit.responses.response_network import ResponseNetwork
    from filterkit.runtime.network import Target
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

GIVE = "give a folder of picture files (PNG, JPEG, TIFF, WebP, …)"


def observe(
    session: Session,
    address: str,
    images: Picture | Iterable[Picture],
    *,
    asked: ObserveOptions,
    options: RunOptions,
    unreadable: Unreadable | None,
) -> Observation:
    """See `Workbench.observe`."""
    from filterkit.catalog import observations as rows
    from filterkit.operations.observed_metrics import ObservedMetrics, chosen_metrics
    from filterkit.operations.observed_pictures import check_kind, moved, plan
    from filterkit.operations.observing import Observing

    began = perf_counter()
    stored = stored_options(asked, options)
    pictures = listed_pictures(images)
    name = observation_name(asked.name, pictures)
    matches = whole_layers(session, address)
    found = [
        as_source(each, number) for number, each in enumerate(found_pictures(session.registry, pictures))
    ]
    model = matches[0].model
    check_kind(model, found)
    catalog = session.catalog(write=True)
    row = rows.find(catalog, model["id"], name)
    if row is not None:
        check_options(row, stored)
    chosen = chosen_metrics(session, asked.metrics, row, model)
    before = rows.images(catalog, row["id"]) if row is not None else []
    say = unreadable or (lambda error: None)
    with session.progress() as progress:
        planned = plan(found, before, model=model["name"], name=name, unreadable=say, progress=progress)
    del found  # there may be many
    known = rows.observed_layers(catalog, row["id"]) if row is not None else []
    matches = with_earlier(session, matches, known, str(options.at))
    now = moved(before, planned)
    changes = {number: each for number, each in enumerate(now) if each != before[number]}
    is_new = row is None
    row = row or rows.create(catalog, model["id"], name, stored)
    layers = [_observed(match) for match in matches]
    metrics = ObservedMetrics(chosen, session.plugins.leave_out)
    observing = Observing(catalog, row, layers, now, say, metrics)
    run = _Run(session, catalog, matches, options, asked.batch, str(options.at))
    is_outdated = row["finished"] is None or row["pictures"] != len(before)
    is_outdated |= any(each.label != before[number].label for number, each in changes.items())
    try:
        with session.progress() as progress:
            run.all(observing, planned, progress, keep=asked.keep_pictures)
        if not observing.images:
            message = f"none of the {observing.left_out:,} pictures can be used"
            if (first := observing.first_left_out) is not None:
                message = f"{message}: {first.message}"
            raise ImageError(message, hint=GIVE)
    except BaseException:
        if is_new and not observing.saved:  # nothing to continue with
            with suppress(FilterkitError):  # the first error is the one to report
                rows.remove(catalog, row["id"], only_empty=True)
        raise
    changed = len(observing.images) > len(before) or run.has_run or len(known) < len(matches)
    changed |= {*metrics.specs} != {*rows.specs_of(row)}
    left_out = planned.left_out + observing.left_out
    status: ObserveStatus = "unchanged"
    if changed or is_outdated:
        run.finish(row, observing, {"copies": planned.copies, "left_out": left_out}, changes)
        status = "continued" if before else "observed"
    elif changes:
        rows.move_images(catalog, row["id"], changes)
    if asked.keep_pictures:
        _keep_pictures(catalog, row, planned)
    found_filters = sum(layer.filters for layer in layers)
    if status != "unchanged":
        event = ObserveEvent(
            *(session.location, model["name"], name, len(observing.images)),
            *(len(observing.images) - len(before), len(matches), found_filters, tuple(metrics.filled)),
        )
        session.plugins.call("filterkit_after_observe", event=event)
    return Observation(
        model=model["name"],
        name=name,
        status=status,
        pictures=len(observing.images),
        added=len(observing.images) - len(before),
        copies=planned.copies,
        left_out=left_out,
        layers=len(matches),
        filters=found_filters,
        provider=run.provider,
        seconds=perf_counter() - began,
        metrics=metrics.filled,
        unmeasured=metrics.unmeasured,
    )


class _Run:
    """Opens the networks that are needed, and writes the rows."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        matches: Sequence[Match],
        options: RunOptions,
        batch: int,
        at: str,
    ) -> None:
        from filterkit.catalog.model_input import takes_no_pictures
        from filterkit.graph.layers.picture_input import fixed_size

        self._catalog, self._matches, self._options, self._batch = catalog, matches, options, batch
        self._targets = {match.layer["name"]: _target(match, at) for match in matches}
        self._model: Mapping[str, Any] = matches[0].model
        self._size = parse_size(options.size)
        self._declared = fixed_size(self._model["input_shape"], self._model["input_layout"])
        self._preprocessing: Preprocessing | None = (
            picture_preprocessing(self._model) if self._model["preprocessing"] else None
        )
        self._takes_no_pictures = takes_no_pictures(self._model)
        self._open: tuple[tuple[frozenset[str], bool], ResponseNetwork] | None = None
        self.provider: str | None = None
        self.has_run = False
        """Whether layers were run over pictures that others had been run on."""

    def all(self, observing: Observing, planned: Plan, progress: Any, *, keep: bool) -> None:
        """Run all layers over all pictures: first those that lag behind, then all over the new ones.

        Unless `keep`, the new ones are removed from `planned`.
        """
        while (behind := observing.behind) is not None:
            names, start, stop = behind
            self.has_run = True
            self._run(observing, names, planned.observed[start:stop], start, progress)
        if planned.new:
            new = list(planned.new) if keep else planned.new
            self._run(observing, list(self._targets), new, None, progress)

    def _run(
        self, observing: Observing, names: Sequence[str], pictures: Any, start: int | None, progress: Any
    ) -> None:
        network = self._network(names, with_maps=bool(observing.metrics.working))
        decoder = self._decoder(network)
        observing.run(
            *(network, self._preprocessing, decoder, pictures),
            start=start,
            batch=self._batch,
            progress=progress,
        )

    def finish(
        self,
        row: Mapping[str, Any],
        observing: Observing,
        about: Mapping[str, Any],
        moved: Mapping[int, Image],
    ) -> None:
        """Write what is known of all layers to the catalog."""
        from filterkit.catalog import observations as rows
        from filterkit.catalog.observation_files import ObservationFiles
        from filterkit.catalog.sqlite.statements import to_json
        from filterkit.operations.observed_rows import exemplar_columns, response_columns
        from filterkit.plugins.checked import provenance

        images = observing.images
        files = ObservationFiles(self._catalog.store, row["folder"])
        boxes = self._boxes()
        extra = observing.metrics.values({name: state.filters for name, state in observing.states.items()})

        def layers() -> Any:
            for match in self._matches:
                name = match.layer["name"]
                state = observing.states[name]
                means = files.means(match.layer["position"], state.filters, len(images))
                yield (
                    match.layer["id"],
                    {
                        **response_columns(state, means, images),
                        "extra": [to_json(values) if values else None for values in extra[name]],
                    },
                    exemplar_columns(state, self._targets[name], images, boxes),
                )

        ran = {} if self.provider is None else {"provider": self.provider}
        made = {
            "plugins": provenance(observing.metrics.working),
            "extra_metrics": observing.metrics.filled,
        }
        rows.finish(self._catalog, row["id"], images, layers(), {**about, **ran, **made}, moved)

    def _network(self, names: Sequence[str], *, with_maps: bool = False) -> ResponseNetwork:
        from filterkit.responses.response_network import ResponseNetwork

        key = (frozenset(names), with_maps)
        if self._open is None or self._open[0] != key:
            self._open = None  # before the next one is opened
            targets = [self._targets[name] for name in names]
            part, path = self._part(targets)
            network = ResponseNetwork(
                part,
                targets,
                picture_input=self._model["input_name"] if self._model["input_layout"] else None,
                options=self._options,
                folder=path.parent,
                with_maps=with_maps,
            )
            for name, reason in network.left_out.items():
                raise UsageError(
                    f"layer '{name}' cannot be observed: {reason}", hint="address the other layers"
                )
            self._open = key, network
            self.provider = network.provider
        return self._open[1]

    def _part(self, targets: Sequence[Target]) -> Any:
        from filterkit.catalog.weights import model_file
        from filterkit.runtime.feature_maps import excerpt_of

        path = model_file(self._catalog, self._model).resolve()
        part = excerpt_of(
            path,
            [target.wanted for target in targets],
            picture_input=self._model["input_name"] if self._model["input_layout"] else None,
            layout=self._model["input_layout"],
            cache_dir=self._catalog.store.cuts_path(self._model["sha256"]),
        )
        return part, path

    def _boxes(self) -> Any:
        from filterkit.operations.observed_rows import Boxes

        if self._preprocessing is None:
            return None
        network = self._open[1] if self._open else self._network(list(self._targets))
        part, path = self._part(list(self._targets.values()))
        return Boxes(
            *(network, part, path, self._model["input_name"], self._preprocessing),
            *(self._size, self._declared),
        )

    def _decoder(self, network: ResponseNetwork) -> Decoder:
        from filterkit.operations.observed_pictures import Decoder

        return Decoder(network, self._preprocessing, self._size, self._declared, self._takes_no_pictures)


def _keep_pictures(catalog: Catalog, row: Mapping[str, Any], planned: Plan) -> None:
    """Copy the pictures that are exemplars into the store, unless they are there."""
    from filterkit.catalog.observation_files import ObservationFiles
    from filterkit.catalog.observations import exemplar_hashes
    from filterkit.image_sources.by_hash import content_hash

    files = ObservationFiles(catalog.store, row["folder"])
    wanted = exemplar_hashes(catalog, row["id"])
    for image, sha256 in (*planned.observed, *planned.new):
        if sha256 in wanted and not files.has(sha256):
            content = image.read()
            if isinstance(content, bytes) and content_hash(content) == sha256:
                try:
                    files.keep(sha256, content)
                except OSError as error:
                    raise CatalogError(
                        f"pictures cannot be copied to {catalog.store.folder}: {error.strerror or error}",
                        hint="check for free disk space and for permission to write there",
                    ) from error


def _observed(match: Match) -> Any:
    from filterkit.operations.observing import ObservedLayer

    return ObservedLayer(match.layer["name"], match.layer["position"], match.layer["filters"])


def _target(match: Match, at: str) -> Target:
    from filterkit.runtime.network import Target

    layer = match.layer
    return Target(layer["name"], layer[f"{at}_tensor"], layer[f"{at}_layout"], layer["scope"])
