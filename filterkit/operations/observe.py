"""Observe how filters respond to pictures, and keep it in the catalog."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from filterkit.errors import (
    CatalogError,
    FilterkitError,
    ImageError,
    UsageError,
    check_number,
    check_text,
    closest,
)
from filterkit.operations.maps import check_network
from filterkit.operations.requested_pictures import (
    as_pictures,
    as_source,
    found_pictures,
    parse_size,
    picture_preprocessing,
)
from filterkit.records import RunOptions
from filterkit.results.observe import Observation, ObserveStatus

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.database import Catalog
    from filterkit.operations.observed_pictures import Decoder, Plan, Unreadable
    from filterkit.operations.observing import Observing
    from filterkit.records import Preprocessing
    from filterkit.responses.response_network import ResponseNetwork
    from filterkit.runtime.network import Target
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

DUPLICATES = ("skip", "keep")

NAMED = 6
"""How many layers a hint lists."""

GIVE = "give a folder of picture files (PNG, JPEG, TIFF, WebP, …)"


@dataclass(frozen=True, slots=True)
class ObserveOptions:
    """What `Workbench.observe` takes besides address, pictures and `RunOptions`."""

    name: str | None = None
    top: int = 9
    duplicates: str = "skip"
    batch: int = 8
    keep_pictures: bool = False


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
    from filterkit.operations.observed_pictures import check_kind, plan
    from filterkit.operations.observing import Observing

    began = perf_counter()
    stored = _stored_options(asked, options)
    images = as_pictures(images)
    images = images if isinstance(images, Sequence) else [*images]
    name = _name(asked.name, images)
    matches = _whole_layers(session, address)
    found = [as_source(each, number) for number, each in enumerate(found_pictures(session.registry, images))]
    model = matches[0].model
    check_kind(model, found)
    catalog = session.catalog(write=True)
    row = rows.find(catalog, model["id"], name)
    if row is not None:
        _check_options(row, stored)
    before = rows.images(catalog, row["id"]) if row is not None else []
    say = unreadable or (lambda error: None)
    with session.progress() as progress:
        planned = plan(found, before, model=model["name"], name=name, unreadable=say, progress=progress)
    known = rows.observed_layers(catalog, row["id"]) if row is not None else []
    matches = _with_earlier(session, matches, known, str(options.at))
    is_new = row is None
    row = row or rows.create(catalog, model["id"], name, stored)
    layers = [_observed(match) for match in matches]
    observing = Observing(catalog, row, layers, before, say)
    run = _Run(session, catalog, matches, options, asked.batch, str(options.at))
    is_outdated = row["finished"] is None or row["pictures"] != len(before)
    try:
        with session.progress() as progress:
            run.all(observing, planned, progress)
        if not observing.images:
            raise ImageError(f"none of the {observing.left_out:,} pictures can be used", hint=GIVE)
    except BaseException:
        if is_new and not observing.saved:  # nothing to continue with
            with suppress(FilterkitError):  # the first error is the one to report
                rows.remove(catalog, row["id"], only_empty=True)
        raise
    changed = len(observing.images) > len(before) or run.has_run or len(known) < len(matches)
    left_out = planned.left_out + observing.left_out
    status: ObserveStatus = "unchanged"
    if changed or is_outdated:
        run.finish(row, observing, {"copies": planned.copies, "left_out": left_out})
        status = "continued" if before else "observed"
    if asked.keep_pictures:
        _keep_pictures(catalog, row, planned)
    return Observation(
        model=model["name"],
        name=name,
        status=status,
        pictures=len(observing.images),
        added=len(observing.images) - len(before),
        copies=planned.copies,
        left_out=left_out,
        layers=len(matches),
        filters=sum(layer.filters for layer in layers),
        provider=run.provider,
        seconds=perf_counter() - began,
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
        self._open: tuple[frozenset[str], ResponseNetwork] | None = None
        self.provider: str | None = None
        self.has_run = False
        """Whether layers were run over pictures that others had been run on."""

    def all(self, observing: Observing, planned: Plan, progress: Any) -> None:
        """Run all layers over all pictures: first those that lag behind, then all over the new ones."""
        while (behind := observing.behind) is not None:
            names, start, stop = behind
            self.has_run = True
            self._run(observing, names, planned.observed[start:stop], start, progress)
        if planned.new:
            self._run(observing, list(self._targets), planned.new, None, progress)

    def _run(
        self, observing: Observing, names: Sequence[str], pictures: Any, start: int | None, progress: Any
    ) -> None:
        network = self._network(names)
        decoder = self._decoder(network)
        observing.run(
            *(network, self._preprocessing, decoder, pictures),
            start=start,
            batch=self._batch,
            progress=progress,
        )

    def finish(self, row: Mapping[str, Any], observing: Observing, about: Mapping[str, Any]) -> None:
        """Write what is known of all layers to the catalog."""
        from filterkit.catalog import observations as rows
        from filterkit.catalog.observation_files import MEAN, ObservationFiles
        from filterkit.operations.observed_rows import exemplar_columns, response_columns

        images = observing.images
        files = ObservationFiles(self._catalog.store, row["folder"])
        boxes = self._boxes()

        def layers() -> Any:
            for match in self._matches:
                name = match.layer["name"]
                state = observing.states[name]
                by_picture = files.responses(match.layer["position"], state.filters, len(images))
                yield (
                    match.layer["id"],
                    response_columns(state, by_picture[:, MEAN], images),
                    exemplar_columns(state, self._targets[name], images, boxes),
                )

        ran = {} if self.provider is None else {"provider": self.provider}
        rows.finish(self._catalog, row["id"], images, layers(), {**about, **ran})

    def _network(self, names: Sequence[str]) -> ResponseNetwork:
        from filterkit.responses.response_network import ResponseNetwork

        key = frozenset(names)
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


def _stored_options(asked: ObserveOptions, options: RunOptions) -> dict[str, Any]:
    """The options that change the result, as the catalog has them."""
    from filterkit.catalog.validation import MOST_EXEMPLARS

    if options.at not in ("post", "pre"):
        raise UsageError(
            f"at cannot be '{options.at}'", hint="use post (after the activation) or pre (before it)"
        )
    for name, value in (("top", asked.top), ("batch", asked.batch)):
        check_number(name, value, whole=True)
        if value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if asked.top > MOST_EXEMPLARS:
        raise UsageError(f"top must be at most {MOST_EXEMPLARS:,}, not {asked.top:,}")
    if asked.duplicates not in DUPLICATES:
        raise UsageError(
            f"duplicates cannot be '{asked.duplicates}'", hint=closest(str(asked.duplicates), DUPLICATES)
        )
    size = parse_size(options.size)
    text = size if size is None or isinstance(size, str) else "x".join(map(str, size))
    return {"at": options.at, "size": text, "top": int(asked.top), "duplicates": asked.duplicates}


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


def _check_options(row: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    different = [name for name, value in asked.items() if row["options"][name] != value]
    if different:
        changes = ", ".join(
            f"{name} {row['options'][name] or 'default'}, not {asked[name] or 'default'}"
            for name in different
        )
        raise UsageError(
            f"observation '{row['name']}' was made with {changes}",
            hint="use the same options, or choose another name with --name",
        )


def _name(name: str | None, images: Sequence[Any]) -> str:
    """The name of the observation: by default that of the first folder or archive."""
    from filterkit.address import LONGEST_NAME, MODEL_NAME

    if name is not None:
        check_text("name", name)
        if not MODEL_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise UsageError(
                f"an observation cannot be named '{name}'",
                hint=f"use at most {LONGEST_NAME} letters, digits, '.', '_' and '-', a letter or digit first",
            )
        return name
    first = images[0] if images else None
    if not isinstance(first, str | os.PathLike):
        return "pictures"
    path = Path(os.fspath(first))
    folder = path if path.is_dir() else path.parent if path.is_file() else path.with_suffix("")
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name.rpartition(":")[2]).lstrip("._-")
    return text[:LONGEST_NAME] or "pictures"


def _whole_layers(session: Session, address: str) -> list[Match]:
    matches = session.matches(address)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{address}' names several models", hint="observe one model at a time")
    if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
        raise UsageError(
            "whole filters respond to pictures, not single kernels", hint=f"e.g. {matches[0].address}"
        )
    check_network(matches[0])
    inside = [match for match in matches if match.layer["scope"]]
    if inside:
        raise _inside(session, inside)
    return matches


def _inside(session: Session, matches: Sequence[Match]) -> UsageError:
    """The error for layers that do not run for every picture; the hint lists the others."""
    model, layer = matches[0].model["name"], matches[0].layer
    others = [each.address for each in session.matches(model) if not each.layer["scope"]]
    shown = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED:,} more" if len(others) > NAMED else "")
    return UsageError(
        f"layer '{layer['name']}' cannot be observed: it is inside {layer['scope'].partition('/')[0]}, a "
        "branch or a loop, which not every picture runs",
        hint=f"these layers of {model} can be observed: {shown}"
        if others
        else f"no layer of {model} can be observed",
    )


def _with_earlier(session: Session, matches: list[Match], known: Sequence[int], at: str) -> list[Match]:
    """The layers of a request and those that were observed before, in the order of the model."""
    asked = {match.layer["id"] for match in matches}
    if not set(known) - asked:
        return matches
    every = session.matches(matches[0].model["name"])
    return [match for match in every if match.layer["id"] in asked | set(known)]


def _observed(match: Match) -> Any:
    from filterkit.operations.observing import ObservedLayer

    return ObservedLayer(match.layer["name"], match.layer["position"], match.layer["filters"])


def _target(match: Match, at: str) -> Target:
    from filterkit.runtime.network import Target

    layer = match.layer
    return Target(layer["name"], layer[f"{at}_tensor"], layer[f"{at}_layout"], layer["scope"])
