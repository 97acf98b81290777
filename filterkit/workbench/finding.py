"""Searching the catalog for what is like something, or like another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filterkit.errors import UsageError, closest
from filterkit.workbench.base import Bench
from filterkit.workbench.neighbours import Found, Neighbours
from filterkit.workbench.sought import (
    Level,
    Sought,
    check_level,
    from_array,
    from_file,
    from_literal,
    from_match,
)

if TYPE_CHECKING:
    from filterkit.workbench.searching import Measured

INVARIANCES = ("scale", "sign", "flip", "rotate")


class Finding(Bench):
    """Nearest neighbours and duplicates."""

    def similar(
        self,
        query: str | os.PathLike[str] | Any,
        among: str = "*",
        *,
        level: Level | None = None,
        invariant: Iterable[str] = ("scale",),
        limit: int = 10,
    ) -> Neighbours:
        """The kernels or filters of the catalog that are most similar to one.

        Every one of the same size is looked at, read from the mapped banks block by block. Those that are
        not finite are similar to nothing. Those of zeros have no cosine; without ``scale`` they are found,
        with a similarity of 0.

        Parameters
        ----------
        query
            The address of one kernel or filter, which is then not among the results, though its copies are;
            an ``.npy`` file; numbers in brackets, as text or as an array.
        among
            An address: where to look.
        level
            ``"kernel"`` or ``"filter"``. By default what `query` is: an address with a kernel part is a
            kernel, without, a filter; numbers in one or two dimensions are a kernel, in more a filter.
        invariant
            What counts as the same. ``scale``: a multiple; then similarity is the cosine. Without it, it is
            ``2 x·y / (|x|² + |y|²)``, which is 1 for equal numbers only. ``sign``: the negative. ``flip``:
            the mirror image, left to right. ``rotate``: quarter turns; half turns unless kernels are square.
            Both are in the plane of height and width, the last two axes: a kernel with depth keeps it, and a
            1-D kernel lies there as one of 1×N, so that a half turn reverses it.
        limit
            How many at most.

        Returns
        -------
        Neighbours
            Rows, most similar first and equal ones in the catalog's order: ``address``, ``similarity``, from
            -1 to 1, and ``transform``, which brings the one found onto the query: ``identity``, ``@90``
            (counter-clockwise), ``@90f`` (flipped before), and ``-`` in front of these for a change of sign.
            `sheet` draws them.

        Raises
        ------
        NotFoundError
            An address names nothing, there is no such file, or nothing of that size.
        UsageError
            The query is several, no numbers, not finite or all zeros; an invariance or level is unknown.
        CatalogError
            The weights of a model are missing, also where it is removed meanwhile.
        """
        from filterkit.catalog.weights import PLACES
        from filterkit.workbench.searching import search

        wanted = _known(invariant, INVARIANCES)
        check_level(level)
        if limit < 1:
            raise UsageError(f"a limit of {limit} finds nothing", hint="give a number from 1 up")
        sought = self._sought(query, level)
        return search(
            self.catalog(),
            sought,
            self._matches(among, *PLACES),
            invariant=wanted,
            limit=limit,
            measured=self._measured,
            progress=self._progress,
        )

    def duplicates(self, address: str = "*", threshold: float = 0.98, invariant: Iterable[str] = ()) -> Found:
        """Groups of filters of one layer that are copies of each other, up to scale.

        In the order of the layer, every filter that is in no group yet takes all later ones whose cosine with
        it reaches the threshold. Biases are not compared: `bias_shift` says how much they matter. A batch
        norm that is kept apart is not compared either; ``add(fold_batchnorm=True)`` makes it part of filters.

        Parameters
        ----------
        threshold
            Above 0, at most 1.
        invariant
            With ``sign`` a negative is a copy, too. Behind an activation it does not answer as its negative
            does, so pruning it saves what is said only where none follows.

        Returns
        -------
        Found
            One row per group: ``address`` and ``filters`` (the first is the one that the others are like),
            ``size``, ``min_cosine`` (the smallest with the first, without its sign), ``bias_shift`` (the
            largest distance between the planes at which a member and the first begin to answer, in units of
            the layer's input; None without biases), and what pruning all but the first saves in this layer:
            ``parameters_saved``, biases among them, and ``macs_saved`` (None where the layer's are unknown).
            The input channels that the next layer can do without come on top.

        Raises
        ------
        NotFoundError
            There is no such layer.
        UsageError
            The threshold or an invariance makes no sense; the address names kernels.
        CatalogError
            The weights of a model are missing, also where it is removed meanwhile.
        """
        from filterkit.workbench.copies import COLUMNS, groups_in

        wanted = _known(invariant, INVARIANCES[:2])
        if not 0 < threshold <= 1:
            raise UsageError(f"a threshold of {threshold:g} makes no sense", hint="give one above 0, up to 1")
        rows, not_finite = [], 0
        for match in self._matches(address):
            if match.asked.kernels is not None:
                raise UsageError("duplicates are whole filters", hint=f"e.g. {match.address}")
            groups, passed_over = groups_in(self.catalog(), match, threshold, sign="sign" in wanted)
            rows += groups
            not_finite += passed_over
        return Found(rows, COLUMNS, not_finite)

    @cached_property
    def _measured(self) -> Measured:
        from filterkit.workbench.searching import Measured

        return Measured()

    def _sought(self, query: Any, level: Level | None) -> Sought:
        from filterkit.catalog.weights import PLACES, bank

        if isinstance(query, str) and query.lstrip().startswith("[") and "/" not in query:
            return from_literal(query, level)
        if isinstance(query, os.PathLike) or (isinstance(query, str) and query.lower().endswith(".npy")):
            return from_file(Path(query), level)
        if not isinstance(query, str):
            return from_array(query, "the array", level)
        match = self._one(query, "one kernel or filter is looked for", *PLACES)
        return from_match(match, bank(self.catalog(), match), level)


def _known(names: Iterable[str], known: Sequence[str]) -> frozenset[str]:
    """The names, where all of them are known."""
    wanted = frozenset([names] if isinstance(names, str) else names)
    for name in sorted(wanted - frozenset(known)):
        raise UsageError(f"nothing is invariant to '{name}' here", hint=closest(name, known))
    return wanted
