"""Observations of layers over the same pictures, and their responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.database import Catalog
    from filterkit.comparison.correlation import Responses

    Row = dict[str, Any]

By = Literal["weights", "response"]


class ObservedLayers:
    """The observations of some layers.

    Parameters
    ----------
    matches
        The layers, with the column ``position``.
    """

    def __init__(self, catalog: Catalog, matches: Sequence[Match]) -> None:
        from filterkit.catalog.picture_sets import PictureSets, observations_of

        self._catalog = catalog
        self._of = observations_of(catalog, [match.layer["id"] for match in matches])
        self._sets = PictureSets(catalog)

    def of(self, match: Match, name: str | None = None) -> list[Row]:
        """The observations of a layer, newest first; only that called `name`, if it is given."""
        return [row for row in self._of.get(match.layer["id"], ()) if name in (None, row["name"])]

    def reference(self, match: Match, name: str | None) -> Row:
        """The newest observation of a layer, or that called `name`.

        Raises
        ------
        NotFoundError
            There is none.
        UsageError
            It has only one picture.
        """
        from filterkit.catalog import observations

        found = self.of(match, name)
        if not found:
            observations.existing(self._catalog, match.model, name, match.layer["id"])  # says what is missing
            raise NotFoundError(f"{match.address} has not been observed")
        if found[0]["pictures"] < 2:
            raise UsageError(
                f"observation '{found[0]['name']}' of {match.model['name']} has only one picture, "
                "to which responses do not vary",
                hint="choose one of more pictures with --observation, or "
                f"filterkit observe {match.model['name']} IMAGES... --name NAME",
            )
        return found[0]

    def alike(self, reference: Row, match: Match, name: str | None = None) -> Row | None:
        """The newest observation of a layer over the pictures of a reference, and with the same ``at``.

        If the reference itself contains the layer, it is that. One called `name`, if it is given, may have
        another ``at``.
        """
        for row in sorted(self.of(match, name), key=lambda row: row["id"] != reference["id"]):
            fits = name is not None or row["options"]["at"] == reference["options"]["at"]
            if fits and self._sets.are_same(reference, row):
                return row
        return None

    def different(self, reference: Row, whose: str, match: Match, name: str | None) -> NotFoundError:
        """The error for a layer that has observations, but none `alike`.

        Parameters
        ----------
        whose
            The model of the reference.
        """
        found, model = self.of(match, name), match.model["name"]
        same = next((row for row in found if self._sets.are_same(reference, row)), None)
        row = same or found[0]
        one, other = (f"'{each['name']}'" for each in (reference, row))
        if same is not None:
            at, own = reference["options"]["at"], row["options"]["at"]
            return NotFoundError(
                f"observation {one} of {whose} was made with --at {at}, {other} of {model} with --at {own}",
                hint=f"filterkit observe {model} IMAGES... --at {at} --name NAME",
            )
        count, own = reference["pictures"], row["pictures"]
        common = self._sets.in_common(reference, row)
        return NotFoundError(
            f"the pictures of observation {one} of {whose} and {other} of {model} differ: {count:,} and "
            f"{own:,}, of which {common:,} are in both",
            hint=f"filterkit observe {model} IMAGES... --name NAME, with the pictures of {one}; or choose "
            "observations of the same pictures with --observation",
        )

    def responses(self, match: Match, row: Row, reference: Row | None = None) -> Responses:
        """Mean response of every filter of a layer to each picture, in the order of the reference.

        Raises
        ------
        CatalogError
            The file is missing or corrupted.
        """
        from filterkit.catalog.observation_files import MEAN, ObservationFiles
        from filterkit.comparison.correlation import read_responses

        files = ObservationFiles(self._catalog.store, row["folder"])
        stored = files.responses(match.layer["position"], match.layer["filters"], row["pictures"])
        in_order = reference is None or reference["pictures_sha256"] == row["pictures_sha256"]
        order = None if in_order or reference is None else self._sets.order(reference, row)
        return read_responses(stored[:, MEAN], order)
