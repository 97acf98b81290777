"""Look up the pictures to which filters respond most, or least, in an observation."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import NotFoundError, UsageError, check_number, check_text
from filterkit.operations.requested_pictures import as_pictures, as_source, found_pictures
from filterkit.results.exemplars import Exemplars

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Row
    from filterkit.records import RunOptions, SourceImage
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session


def exemplars(
    session: Session,
    address: str,
    *,
    observation: str | None,
    top: int | None,
    lowest: bool,
    pictures: Picture | Iterable[Picture],
    method: str | None,
    options: RunOptions,
) -> Exemplars:
    """See `Workbench.exemplars`."""
    from filterkit.catalog import observations
    from filterkit.catalog.model_input import preprocessing_from
    from filterkit.catalog.observation_files import ObservationFiles
    from filterkit.catalog.validation import MOST_EXEMPLARS
    from filterkit.image_sources.by_hash import PicturesByHash
    from filterkit.operations.attributed_exemplars import Exemplar, ObservedLayer, attribute_exemplars

    if top is not None:
        check_number("top", top, whole=True)
        if top < 1:
            raise UsageError(f"top must be at least 1, not {top}")
    if method is not None:
        check_text("method", method)
    made = None if method is None else session.registry.create("attribution", method)
    matches = session.matches(address)
    if any(match.asked.kernels is not None for match in matches):
        raise UsageError(
            "whole filters respond to pictures, not single kernels",
            hint=f"e.g. {matches[0].address}/{matches[0].filters[0]}",
        )
    sign = -1 if lowest else 1
    ranks = [sign * rank for rank in range(1, min(top or MOST_EXEMPLARS, MOST_EXEMPLARS) + 1)]
    names: dict[str, str] = {}
    rows: list[Row] = []
    layers: list[ObservedLayer] = []
    kept: dict[str, Path] = {}
    for match in matches:
        found = observations.existing(session.catalog(), match.model, observation, match.layer["id"])
        names[match.model["name"]] = found["name"]
        own = observations.exemplars(session.catalog(), found["id"], match.layer["id"], match.filters, ranks)
        files = ObservationFiles(session.catalog().store, found["folder"])
        for sha256 in {row["sha256"] for row in own} - kept.keys():
            path = files.picture(sha256)
            if path.is_file():
                kept[sha256] = path
        by_filter: dict[int, list[Exemplar]] = {}
        for row in own:
            position = tuple(row[axis] for axis in "zyx" if row[axis] is not None)
            by_filter.setdefault(row["position"], []).append(
                Exemplar(_row(match, row), row["position"], position)
            )
        asked = [each for number in match.filters for each in by_filter.get(number, ())]
        rows += [each.row for each in asked]
        layers.append(ObservedLayer(match, found["options"], asked))
    if not rows:
        raise NotFoundError(
            f"'{address}' has no exemplars in observation '{next(iter(names.values()))}'",
            hint=f"filterkit observe {address} IMAGES...",
        )
    given = chain.from_iterable(_below(session, each) for each in as_pictures(pictures))
    elsewhere = [as_source(each, number) for number, each in enumerate(given)]
    attributed = None
    if made is not None:
        if any(row["box"] is None for row in rows):
            raise UsageError(
                "the network takes no pictures, so that there are none to attribute responses to",
                hint="leave out --method",
            )
        with session.progress() as progress:
            by_hash = PicturesByHash(elsewhere, kept)
            attributed = attribute_exemplars(session, layers, made, by_hash, options, progress)
    models = {match.model["name"]: match.model for match in matches}
    return Exemplars(
        rows,
        observation=names,
        lowest=lowest,
        preprocessings={name: preprocessing_from(row["preprocessing"]) for name, row in models.items()},
        elsewhere=elsewhere,
        kept=kept,
        models={name: row["sha256"] for name, row in models.items()},
        method=None if made is None else made.spec.removeprefix("filterkit.attributions/"),
        attributions=attributed.maps if attributed else None,
        notes=attributed.notes if attributed else (),
    )


def _below(session: Session, place: Picture) -> Iterable[Picture | SourceImage]:
    """Where to look for pictures: in a folder also below it, even if there are pictures in itself."""
    from filterkit.image_sources.files import pictures_below

    found = pictures_below(Path(place)) if isinstance(place, str | os.PathLike) else []
    return found or found_pictures(session.registry, [place])


def _row(match: Match, found: dict[str, Any]) -> Row:
    sides = [found[name] for name in ("box_top", "box_left", "box_bottom", "box_right")]
    return {
        "address": f"{match.address}/{found['position']}",
        "rank": abs(found["rank"]),
        "value": found["value"],
        "image": found["path"],
        "sha256": found["sha256"],
        "label": found["label"],
        "y": found["y"],
        "x": found["x"],
        "box": None if None in sides else sides,
        "at_border": None if found["at_border"] is None else bool(found["at_border"]),
    }
