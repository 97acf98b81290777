"""Response statistics of the filters of a layer, in memory that does not grow with the number of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from filterkit.responses.buckets import Buckets
from filterkit.responses.top_k import NONE, TopK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.responses.response_network import LayerResponses

QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
"""Quantiles of the pictures' maxima."""

SUMS = ("total", "squares", "active")
"""Sums over all positions: of the values, of their squares, and of 1 where they are above 0; float64."""


class Seen(NamedTuple):
    """Pictures whose responses are added.

    Attributes
    ----------
    numbers
        The number of each picture in the observation, shape (n,).
    groups
        The group of each: the highest value of a group of copies counts as exemplar.
    """

    numbers: NDArray[np.int64]
    groups: NDArray[np.int64]


class Statistics:
    """What is known of the responses of a layer.

    Attributes
    ----------
    pictures, positions
        How many of both: all filters of a layer have equally many positions.
    sums
        By name, the `SUMS`, shape (filters,).
    max, min
        Over all positions, float32.
    fires
        In how many pictures the filter is above 0 anywhere.
    highest, lowest
        The pictures with the highest maximum, and, negated, with the lowest minimum.
    maxima
        The pictures' maxima, in buckets.
    """

    def __init__(self, filters: int, top: int) -> None:
        self.pictures = self.positions = 0
        self.sums = {name: np.zeros(filters) for name in SUMS}
        self.max = np.full(filters, -np.inf, np.float32)
        self.min = np.full(filters, np.inf, np.float32)
        self.fires = np.zeros(filters, np.int64)
        self.highest, self.lowest = TopK.empty(top, filters), TopK.empty(top, filters)
        self.maxima = Buckets()

    @property
    def filters(self) -> int:
        """The number of filters."""
        return len(self.max)

    @property
    def top(self) -> int:
        """How many pictures are kept of each filter."""
        return len(self.highest.values)

    def add(self, found: LayerResponses, seen: Seen) -> None:
        """Add the finite responses to some pictures.

        Sums are formed picture by picture, in this order, whatever the size of the batch.
        """
        count = found.positions
        for values, name in ((found.mean, "total"), (found.mean_square, "squares"), (found.active, "active")):
            for row in values.astype(np.float64):
                self.sums[name] += row * count
        self.pictures += len(found.max)
        self.positions += len(found.max) * count
        np.maximum(self.max, found.max.max(axis=0), out=self.max)
        np.minimum(self.min, found.min.min(axis=0), out=self.min)
        self.fires += (found.max > 0).sum(axis=0)
        numbers, groups = seen.numbers[:, None], seen.groups[:, None]
        self.highest.add(found.max, numbers, pack(found.max_place, found.sizes), groups)
        self.lowest.add(-found.min, numbers, pack(found.min_place, found.sizes), groups)
        self.maxima.add(found.max)

    def merge(self, other: Statistics) -> None:
        """Add the statistics of other pictures; only the last digits of sums depend on the order."""
        self.pictures += other.pictures
        self.positions += other.positions
        for name in SUMS:
            self.sums[name] += other.sums[name]
        np.maximum(self.max, other.max, out=self.max)
        np.minimum(self.min, other.min, out=self.min)
        self.fires += other.fires
        self.highest.merge(other.highest)
        self.lowest.merge(other.lowest)
        self.maxima.merge(other.maxima)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The statistics by the name of their column, shape (filters,), float64; at least one picture."""
        mean, square, active = (self.sums[name] / self.positions for name in SUMS)
        quantiles = self.maxima.quantiles(tuple(QUANTILES.values()), self.filters)
        return {
            "mean": mean,
            "std": np.sqrt(np.maximum(square - mean**2, 0)),
            "max": self.max.astype(np.float64),
            "min": self.min.astype(np.float64),
            "active_share": active,
            "fires_share": self.fires / self.pictures,
            **dict(zip(QUANTILES, np.minimum(quantiles, self.max), strict=True)),
        }

    @staticmethod
    def most_bytes(filters: int, top: int) -> int:
        """What the arrays of `to_arrays` and their names take at most."""
        of_filter = 2 * top * _BYTES_OF_EXEMPLAR + 16 * Buckets.limit(1) + 8 * (len(SUMS) + 3)
        return 4096 + filters * of_filter

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name, for `from_arrays`."""
        parts: dict[str, TopK | Buckets] = {
            "highest": self.highest,
            "lowest": self.lowest,
            "maxima": self.maxima,
        }
        return {
            "counts": np.array([self.pictures, self.positions], np.int64),
            **self.sums,
            **{name: getattr(self, name) for name in ("max", "min", "fires")},
            **{
                f"{part}.{name}": array
                for part, of in parts.items()
                for name, array in of.to_arrays().items()
            },
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], filters: int, top: int) -> Self:
        """Inverse of `to_arrays`, which checks types, shapes, and that values are possible.

        Raises
        ------
        ValueError
            These are not the statistics of so many filters.
        """
        made = cls(filters, top)
        expected, expected_top = made.to_arrays(), made.highest.to_arrays()
        if arrays.keys() != expected.keys():
            raise ValueError("other names")
        for name, array in arrays.items():
            counted = name.startswith("maxima.")
            if array.dtype != expected[name].dtype or (
                array.ndim != 1 if counted else array.shape != expected[name].shape
            ):
                raise ValueError(f"{name} has another type or shape")
        _check_buckets(arrays["maxima.keys"], arrays["maxima.counts"], filters)
        for part in ("highest", "lowest"):
            _check_top({name: arrays[f"{part}.{name}"] for name in expected_top}, int(arrays["counts"][0]))
        finite = SUMS if not arrays["counts"][0] else (*SUMS, "max", "min")
        if not all(np.isfinite(arrays[name]).all() for name in finite):
            raise ValueError("values that are not finite")
        made.pictures, made.positions = map(int, arrays["counts"])
        if min(made.pictures, made.positions) < 0:
            raise ValueError("negative counts")
        made.sums = {name: arrays[name].copy() for name in SUMS}
        made.max, made.min, made.fires = (arrays[name].copy() for name in ("max", "min", "fires"))
        made.highest, made.lowest = (
            TopK.from_arrays({name: arrays[f"{part}.{name}"].copy() for name in expected_top})
            for part in ("highest", "lowest")
        )
        made.maxima = Buckets(arrays["maxima.keys"].copy(), arrays["maxima.counts"].copy())
        return made


_BYTES_OF_EXEMPLAR = 4 + 3 * 8

_BITS = 21
"""Of each coordinate in a packed position."""


def pack(places: NDArray[np.int64], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Numbers of positions in maps of these sizes as numbers that do not depend on the size."""
    *_, height, width = (1, 1, *sizes)
    row = places // width
    z = row // height if len(sizes) > 2 else 0  # divisions take time
    packed: NDArray[np.int64] = (z << 2 * _BITS) | (row - z * height << _BITS) | (places - row * width)
    return packed


def unpack(packed: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """The coordinates z, y and x of positions from `pack`; 0 for axes that the maps do not have."""
    most = (1 << _BITS) - 1
    return packed >> 2 * _BITS, packed >> _BITS & most, packed & most


def _check_buckets(keys: NDArray[np.int64], counts: NDArray[np.int64], filters: int) -> None:
    limit = Buckets.limit(filters)
    if len(keys) != len(counts) or (keys < 0).any() or (keys >= limit).any() or (counts < 0).any():
        raise ValueError("invalid buckets")


def _check_top(arrays: Mapping[str, NDArray[Any]], pictures: int) -> None:
    """Raise ValueError if there are numbers of pictures or positions that no state has."""
    values, numbers, places = (arrays[name] for name in ("values", "pictures", "places"))
    there = numbers != NONE
    if (numbers < NONE).any() or (numbers >= pictures).any() or (places[there] < 0).any():
        raise ValueError("invalid pictures")
    if not (np.isfinite(values) == there).all() or np.isnan(values).any():
        raise ValueError("invalid values")


def class_responses(
    means: Iterable[NDArray[np.float32]], labels: Sequence[int], classes: int, filters: int
) -> NDArray[np.float64]:
    """The mean response of each filter per class.

    Parameters
    ----------
    means
        Mean responses of some of the pictures at a time, shape (pictures, filters).
    labels
        The class of each picture, from 0; -1 for none.

    Returns
    -------
    ndarray
        Shape (classes, filters); NaN for a class without pictures.
    """
    sums, counts = np.zeros((classes, filters)), np.zeros(classes)
    of_picture = np.asarray(labels)
    start = 0
    for values in means:
        some = of_picture[start : start + len(values)]
        start += len(values)
        named = some >= 0
        np.add.at(sums, some[named], values[named].astype(np.float64))
        counts += np.bincount(some[named], minlength=classes)
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None]


def top_classes(responses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each filter the class with the highest mean response, and its share of the sum over classes.

    Negative means count as 0. A filter that is above 0 for no class has the number -1 and a share of NaN.
    """
    positive = np.nan_to_num(np.maximum(responses, 0))
    total = positive.sum(axis=0)
    best = positive.argmax(axis=0)
    with np.errstate(invalid="ignore"):
        share = positive.max(axis=0) / total
    return np.where(total > 0, best, -1), share
