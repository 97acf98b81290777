"""Find the filters whose responses correlate most with those of one, among all that saw the same pictures."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.errors import NotFoundError, UsageError
from filterkit.operations.observed_layers import ObservedLayers
from filterkit.results.similar import Neighbours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.plugins.protocols import Row
    from filterkit.results.similar import NeighbourQuery
    from filterkit.session import Session

_Candidate = tuple[float, int, int, float]
"""Minus the similarity, the place of the layer, the filter, the correlation: the most similar sort first."""

COLUMNS: Mapping[str, type] = {
    "address": str,
    "similarity": float,
    **dict.fromkeys(("transform", "model", "layer"), str),
    **dict.fromkeys(("filter", "kernel"), int),
    "observation": str,
    "pictures": int,
}
"""Columns of rows, and the types of their values."""


def similar_by_response(
    session: Session, query: NeighbourQuery, among: str, *, observation: str | None, limit: int, sign: bool
) -> Neighbours:
    """The filters most correlated with `query`, a filter of the catalog.

    Raises
    ------
    NotFoundError
        The query has no such observation, or no layer of `among` was observed over its pictures.
    UsageError
        The responses of the query are constant; `among` names kernels.
    CatalogError
        Responses are missing or corrupted.
    """
    import numpy as np

    from filterkit.catalog import schema
    from filterkit.catalog.weights import PLACES, bank
    from filterkit.comparison.correlation import correlations_with

    assert query.place is not None
    columns = PLACES[0], (*PLACES[1], schema.layer.c.position)
    matches = session.matches(among, *columns)
    if any(match.asked.kernels is not None for match in matches):
        raise UsageError(
            "a filter is compared with filters, not kernels", hint="leave out the kernels in --among"
        )
    number = query.place[1]
    own = session.one(query.name, "the query is a single filter", *columns)
    layers = ObservedLayers(session.catalog(), [own, *matches])
    reference = layers.reference(own, observation)
    mine = layers.responses(own, reference)
    if not mine.varying[number]:
        what = "contain NaN or infinity" if mine.lengths[number] else "are constant"
        raise UsageError(
            f"the responses of {query.name} in observation '{reference['name']}' {what}, so that no "
            "correlation is defined",
            hint='filterkit filters --where "response_std > 0" lists filters whose responses vary',
        )
    compared = [(match, row) for match in matches if (row := layers.alike(reference, match))]
    if not compared:
        raise NotFoundError(
            f"none of the searched layers was observed over the pictures of observation "
            f"'{reference['name']}' of {own.model['name']}",
            hint="filterkit observe MODEL IMAGES..., with these pictures",
        )
    best: list[_Candidate] = []
    undefined = not_finite = 0
    signal = mine.centred_filter(number)
    with session.progress() as progress:
        for place, (match, row) in enumerate(compared):
            progress("searching", place, len(compared))
            responses = layers.responses(match, row, reference)
            correlations = correlations_with(signal, responses)
            chosen = np.array(
                [each for each in match.filters if (match.layer["id"], each) != query.place[:2]], int
            )
            not_finite += int(np.isnan(responses.lengths[chosen]).sum())
            undefined += int((responses.lengths[chosen] == 0).sum())
            chosen = chosen[responses.varying[chosen]]
            new = _candidates(place, chosen, correlations[chosen], limit, sign=sign)
            best = heapq.nsmallest(limit, [*best, *new])
    rows = [_row(*compared[place], each, value, sign=sign) for _, place, each, value in best]
    used = {own.address: own} | {match.address: match for match, _ in compared}
    places = {name: used[name] for name in {own.address, *(f"{row['model']}/{row['layer']}" for row in rows)}}
    return Neighbours(
        *(rows, COLUMNS, query),
        {name: bank(session.catalog(), match) for name, match in places.items()},
        not_finite,
        {name: tuple(match.layer["input_channels"]) for name, match in places.items()},
        {match.model["name"]: match.model["sha256"] for match in places.values()},
        places=places,
        undefined=undefined,
        other_pictures=sum(bool(layers.of(match)) for match in matches) - len(compared),
        observation=(reference["name"], reference["pictures"]),
    )


def _candidates(
    place: int, filters: NDArray[np.intp], correlations: NDArray[np.float64], limit: int, *, sign: bool
) -> Iterator[_Candidate]:
    """The most similar filters of a layer."""
    ranks = -(abs(correlations) if sign else correlations)
    nearest = ranks.argsort(kind="stable")[:limit]
    found = (each[nearest].tolist() for each in (ranks, filters, correlations))
    return ((rank, place, number, value) for rank, number, value in zip(*found, strict=True))


def _row(match: Match, observed: Mapping[str, Any], number: int, correlation: float, *, sign: bool) -> Row:
    return {
        "address": f"{match.address}/{number}",
        "similarity": abs(correlation) if sign else correlation,
        "transform": "-identity" if sign and correlation < 0 else "identity",
        "model": match.model["name"],
        "layer": match.layer["name"],
        "filter": number,
        "kernel": None,
        "observation": observed["name"],
        "pictures": observed["pictures"],
    }
