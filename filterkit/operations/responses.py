"""List the responses of filters to each picture of an observation, or their means per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from filterkit.errors import CatalogError, UsageError
from filterkit.results.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.catalog.observations import Image
    from filterkit.plugins.protocols import Row
    from filterkit.session import Session

ResponsesBy = Literal["picture", "class"]

OF_PICTURES: Mapping[str, Any] = {
    "address": str,
    "image": str,
    "sha256": str,
    "label": str,
    "mean": float,
    "max": float,
}
OF_CLASSES: Mapping[str, Any] = {"address": str, "label": str, "pictures": int, "mean": float, "max": float}


def responses(
    session: Session, address: str, *, observation: str | None, by: ResponsesBy, limit: int | None
) -> Rows:
    """See `Workbench.responses`."""
    _, rows = iter_responses(session, address, observation=observation, by=by, limit=limit)
    return Rows(rows, OF_CLASSES if by == "class" else OF_PICTURES)


def iter_responses(
    session: Session, address: str, *, observation: str | None, by: ResponsesBy, limit: int | None
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """See `Workbench.iter_responses`."""
    from filterkit.catalog.selecting import check_limit

    if by not in ("picture", "class"):
        raise UsageError(f"responses are not listed by {by!r}", hint="by picture or class")
    limit = check_limit(limit)
    observed = [_observed(session, match, observation) for match in session.matches(address)]
    if by == "class":
        for each in observed:
            each.check_classes()
    rows = (row for each in observed for row in (each.classes() if by == "class" else each.pictures()))
    return tuple(OF_CLASSES if by == "class" else OF_PICTURES), islice(rows, limit)


def _observed(session: Session, match: Match, name: str | None) -> _Observed:
    """The responses of a layer; raises FilterkitError if there are none."""
    from filterkit.catalog import observations
    from filterkit.catalog.observation_files import ObservationFiles

    if match.asked.kernels is not None:
        raise UsageError(
            "whole filters respond to pictures, not single kernels",
            hint=f"e.g. {match.address}/{match.filters[0]}",
        )
    catalog = session.catalog()
    row = observations.existing(catalog, match.model, name, match.layer["id"])
    images = observations.images_of_all_layers(catalog, row)
    return _Observed(match, row["name"], images, ObservationFiles(catalog.store, row["folder"]))


class _Observed(NamedTuple):
    """A layer, and its observation."""

    match: Match
    name: str
    images: Sequence[Image]
    files: Any

    def pictures(self) -> Iterator[Row]:
        """One row per picture and filter, picture by picture."""
        addresses = [f"{self.match.address}/{number}" for number in self.match.filters]
        for start, found in self._parts():
            for image, (means, highest) in zip(self.images[start:], found.tolist(), strict=False):
                about = {"image": image.path, "sha256": image.sha256, "label": image.label}
                for address, mean, most in zip(addresses, means, highest, strict=True):
                    yield {"address": address, **about, "mean": mean, "max": most}

    def check_classes(self) -> None:
        """Raise UsageError if the pictures have no classes."""
        from filterkit.operations.observed_rows import MOST_CLASSES

        labels = {image.label for image in self.images} - {None}
        if not 0 < len(labels) <= MOST_CLASSES:
            raise UsageError(
                f"the pictures of observation '{self.name}' have "
                + ("no classes" if not labels else f"{len(labels):,} labels, more than {MOST_CLASSES:,}"),
                hint="observe pictures that are in one folder per class, or leave out --by",
            )

    def classes(self) -> Iterator[Row]:
        """One row per filter and class; pictures without a class do not count."""
        import numpy as np

        from filterkit.responses.statistics import class_responses

        labels = sorted({image.label for image in self.images if image.label is not None})
        number = {label: place for place, label in enumerate(labels)}
        of_picture = [-1 if image.label is None else number[image.label] for image in self.images]
        shape = len(labels), len(self.match.filters)
        highest = np.full(shape, -np.inf, np.float32)

        def means() -> Iterator[NDArray[np.float32]]:
            for start, found in self._parts():
                of_part = np.array(of_picture[start : start + len(found)])
                np.maximum.at(highest, of_part[of_part >= 0], found[of_part >= 0, 1])
                yield found[:, 0]

        of_classes = class_responses(means(), of_picture, *shape)
        counts = np.bincount([each for each in of_picture if each >= 0], minlength=len(labels))
        for place, filter_number in enumerate(self.match.filters):
            for label, count, mean, most in zip(
                *(labels, counts.tolist(), of_classes[:, place].tolist(), highest[:, place].tolist()),
                strict=True,
            ):
                yield {
                    "address": f"{self.match.address}/{filter_number}",
                    "label": label,
                    "pictures": count,
                    "mean": mean,
                    "max": most,
                }

    def _parts(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Mean and maximum for some pictures at a time, and the number of the first of them.

        Shape (pictures, 2, filters). No more of the file is mapped, so that memory stays small.
        """
        import numpy as np

        from filterkit.catalog.observation_files import TOGETHER

        chosen, layer = np.asarray(self.match.filters), self.match.layer
        for start in range(0, len(self.images), TOGETHER):
            stop = min(start + TOGETHER, len(self.images))
            found = self.files.responses(layer["position"], layer["filters"], stop, start)[..., chosen]
            if not np.isfinite(found).all():
                raise CatalogError(
                    f"responses of {self.match.address} in observation '{self.name}' are corrupted",
                    hint="remove the observation with `filterkit remove MODEL --observation NAME`, "
                    "and observe again",
                )
            yield start, found
