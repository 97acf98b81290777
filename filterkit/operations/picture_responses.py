"""Look up the pictures of an observation: list them, show one, and find which filters fire for it."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.errors import ImageError, NotFoundError, UsageError, check_number, check_text
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.catalog.observation_files import ObservationFiles
    from filterkit.catalog.observations import Image
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

PICTURES = ("image", "sha256", "label", "height", "width")
"""Columns of pictures."""

RESPONDING: Mapping[str, type] = {
    "address": str,
    "response_max": float,
    "share_below": float,
    "z_score": float,
}
"""Columns of filters that fire for a picture, and the types of their values."""

SIDE = 160
"""Longer side of a picture that is shown, in pixels."""


def observed_pictures(session: Session, model: str, *, observation: str | None) -> Rows:
    """See `Workbench.observed_pictures`."""
    from filterkit.catalog.observations import images_of_all_layers

    _, found = _observation(session, model, observation)
    rows = [
        {
            "image": each.path,
            "sha256": each.sha256,
            "label": each.label,
            "height": each.height,
            "width": each.width,
        }
        for each in images_of_all_layers(session.catalog(), found)
    ]
    return Rows(rows, PICTURES)


def observed_picture(session: Session, model: str, sha256: str, *, observation: str | None) -> bytes:
    """See `Workbench.observed_picture`."""
    from filterkit.catalog.model_input import preprocessing_from
    from filterkit.catalog.observation_files import ObservationFiles
    from filterkit.image_sources.by_hash import PicturesByHash
    from filterkit.image_sources.decoding import content_pixels

    about, found = _observation(session, model, observation)
    number, image = _picture(session, found, sha256)
    preprocessing = preprocessing_from(about["preprocessing"])
    if preprocessing is None:
        raise UsageError(f"{about['name']} takes no pictures")
    kept = ObservationFiles(session.catalog().store, found["folder"]).picture(image.sha256)
    content = PicturesByHash(kept={image.sha256: kept}).find(image.path, image.sha256)
    if content is None:
        raise NotFoundError(
            f"picture {number} of observation '{found['name']}' was moved or changed",
            hint="observe with --keep-pictures, or observe the pictures again where they are now",
        )
    try:
        pixels = content_pixels(content, image.path, preprocessing, note=_ignore)
    except ImageError as error:
        raise ImageError(f"picture {number} cannot be read: {error.message}") from error
    return _png(pixels)


def responding_filters(
    session: Session, model: str, sha256: str, *, observation: str | None, top: int | None
) -> Rows:
    """See `Workbench.responding_filters`."""
    from filterkit.catalog.observation_files import MAX, ObservationFiles
    from filterkit.catalog.observations import observed_layers

    if top is not None:
        check_number("top", top, whole=True)
        if top < 1:
            raise UsageError(f"top must be at least 1, not {top}", hint="the default is 20")
    about, found = _observation(session, model, observation)
    number, _ = _picture(session, found, sha256)
    layers = frozenset(observed_layers(session.catalog(), found["id"]))
    files = ObservationFiles(session.catalog().store, found["folder"])
    best: list[Row] = []
    for match in session.matches(about["name"]):
        if match.layer["id"] not in layers:
            continue
        place, filters = match.layer["position"], match.layer["filters"]
        maxima = files.responses(place, filters, number + 1, number)[0, MAX]
        best += _strongest(match, maxima, files, found["options"]["top"], top)
        best = _first(best, top)
    return Rows(best, RESPONDING)


def _strongest(
    match: Match, maxima: NDArray[np.float32], files: ObservationFiles, kept: int, top: int | None
) -> list[Row]:
    """The filters of a layer for which a picture with these maxima is the most unusual one."""
    import numpy as np

    state = files.state(match.layer["position"], match.layer["filters"], kept)
    if state is None or not state.positions:
        return []
    maxima = np.asarray(maxima, np.float64)
    below = state.maxima.share_below(maxima.astype(np.float32))
    mean = state.sums["total"] / state.positions
    std = np.sqrt(np.maximum(state.sums["squares"] / state.positions - mean**2, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(std > 0, (maxima - mean) / std, 0)
    fires = np.flatnonzero(maxima > 0)  # not NaN either
    order = fires[np.lexsort((-scores[fires], -below[fires]))][:top]
    return [
        {
            "address": f"{match.address}/{number}",
            "response_max": float(maxima[number]),
            "share_below": float(below[number]),
            "z_score": float(scores[number]),
        }
        for number in order.tolist()
    ]


def _first(rows: Iterable[Row], top: int | None) -> list[Row]:
    return sorted(rows, key=lambda row: (-row["share_below"], -row["z_score"]))[:top]


def _observation(
    session: Session, model: str, observation: str | None
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The rows of a model and of its observation: the one of that name, or the newest that is finished."""
    from filterkit.catalog import observations
    from filterkit.catalog.addresses import models_named
    from filterkit.catalog.schema import model as table

    catalog = session.catalog()
    with catalog.connect() as connection:
        found = models_named(connection, model, (table.c.id, table.c.name, table.c.preprocessing))
    if len(found) > 1:
        raise UsageError(f"'{model}' names several models", hint=f"e.g. {found[0]['name']}")
    about = found[0]
    if observation is None:
        finished = [row for row in observations.observations(catalog, [about["id"]]) if row["finished"]]
        if not finished:
            raise NotFoundError(
                f"{about['name']} has not been observed", hint=f"filterkit observe {about['name']} IMAGES..."
            )
        observation = finished[-1]["observation"]
    return about, observations.named(catalog, about, observation)


def _picture(session: Session, found: Mapping[str, Any], sha256: str) -> tuple[int, Image]:
    """A picture of an observation and its number."""
    from filterkit.catalog.observations import images_of_all_layers

    check_text("sha256", sha256)
    for number, each in enumerate(images_of_all_layers(session.catalog(), found)):
        if each.sha256 == sha256:
            return number, each
    raise NotFoundError(
        f"observation '{found['name']}' has no picture with the hash {sha256[:80]}",
        hint="the column sha256 of its pictures",
    )


def _ignore(text: str) -> None:
    """What is unusual about a picture was reported when it was observed."""


def _png(pixels: NDArray[Any]) -> bytes:
    """Pixels of any number of channels, reduced; of bands the first three, or the first one as gray."""
    import numpy as np
    from PIL import Image

    step = max(1, math.ceil(max(pixels.shape[:2]) / (4 * SIDE)))
    pixels = pixels[::step, ::step]  # so that a large picture is not copied
    pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
