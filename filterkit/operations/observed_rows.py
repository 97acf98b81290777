"""The rows of the catalog for an observed layer: statistics of filters, and exemplars with their boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from filterkit.graph.view.view import GraphView
from filterkit.responses.graph import spatial_axes
from filterkit.responses.receptive_boxes import ReceptiveBoxes
from filterkit.responses.statistics import Statistics, class_responses, top_classes, unpack
from filterkit.responses.top_k import NONE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from filterkit.catalog.observations import Image
    from filterkit.graph.excerpt.excerpt import Excerpt
    from filterkit.records import Preprocessing
    from filterkit.runtime.network import Network, Size, Target
    from filterkit.runtime.preprocessing import Sides

    Columns = dict[str, list[Any]]

MOST_CLASSES = 4096
"""Labels for which mean responses are computed; more are no classes."""

COORDINATES = ("z", "y", "x")


class Boxes:
    """Receptive fields in pictures of any size.

    Parameters
    ----------
    network
        Says to which size a picture is resized.
    part, path
        The excerpt that contains the layers, and the file of its weights.
    """

    def __init__(
        self,
        network: Network,
        part: Excerpt,
        path: Path,
        name: str,
        preprocessing: Preprocessing,
        size: Size,
        declared: Sides,
    ) -> None:
        self._network, self._part, self._name = network, part, name
        self._graph = GraphView(part.model, path)
        self._preprocessing, self._size, self._declared = preprocessing, size, declared
        self._of_size: dict[tuple[int, int], ReceptiveBoxes] = {}

    def columns(self, target: Target, images: Sequence[Image], coordinates: NDArray[np.int64]) -> Columns:
        """The columns of boxes for positions in pictures.

        Parameters
        ----------
        images
            The picture of each position.
        coordinates
            Shape (3, n): z, y, x.
        """
        sizes = [self._input_size(each) for each in images]
        found = np.zeros((5, len(images)), np.int64)
        axes = spatial_axes(target.layout)
        for size in set(sizes):
            some = np.array([number for number, each in enumerate(sizes) if each == size], np.intp)
            own = [images[number] for number in some]
            boxes = self._boxes(size).boxes(
                self._part.tensors[target.wanted],
                target.layout,
                {axis: coordinates[3 - len(axes) + place][some] for place, axis in enumerate(axes)},
                ([each.height or 1 for each in own], [each.width or 1 for each in own]),
            )
            found[:, some] = np.stack(boxes)
        names = ("box_top", "box_left", "box_bottom", "box_right", "at_border")
        return dict(zip(names, found.tolist(), strict=True))

    def _input_size(self, image: Image) -> tuple[int, int]:
        own = (image.height or 1, image.width or 1)
        return self._network.input_size(own, self._preprocessing, self._size, self._declared)

    def _boxes(self, size: tuple[int, int]) -> ReceptiveBoxes:
        if size not in self._of_size:
            layout = self._preprocessing.layout
            sizes = {"N": 1, "C": len(self._preprocessing.channels), "H": size[0], "W": size[1]}
            shape = [sizes[letter] for letter in layout]
            self._of_size[size] = ReceptiveBoxes(self._graph, self._name, layout, shape)
        return self._of_size[size]


def response_columns(
    state: Statistics, means: Iterable[NDArray[np.float32]], images: Sequence[Image]
) -> Columns:
    """The columns of table `response`.

    Parameters
    ----------
    means
        Mean responses of some of the pictures at a time, shape (pictures, filters).
    """
    columns: Columns = {name: values.tolist() for name, values in state.columns().items()}
    labels = sorted({each.label for each in images if each.label is not None})
    empty: list[Any] = [None] * state.filters
    columns |= {"top_class": empty, "top_class_share": empty}
    if 1 < len(labels) <= MOST_CLASSES:
        number = {label: place for place, label in enumerate(labels)}
        of_picture = [-1 if each.label is None else number[each.label] for each in images]
        best, share = top_classes(class_responses(means, of_picture, len(labels), state.filters))
        columns["top_class"] = [labels[each] if each >= 0 else None for each in best]
        columns["top_class_share"] = [
            float(each) if known >= 0 else None for each, known in zip(share, best, strict=True)
        ]
    return columns


def exemplar_columns(
    state: Statistics, target: Target, images: Sequence[Image], boxes: Boxes | None
) -> Columns:
    """The columns of table `exemplar`, by filter and rank."""
    highest, lowest = state.highest, state.lowest
    ranks = np.arange(1, state.top + 1)
    rank = np.concatenate([-ranks[::-1], ranks])
    values = np.concatenate([-lowest.values[::-1], highest.values])
    pictures = np.concatenate([lowest.pictures[::-1], highest.pictures])
    places = np.concatenate([lowest.places[::-1], highest.places])
    filters, chosen = np.nonzero(pictures.T != NONE)
    coordinates = np.stack(unpack(places.T[filters, chosen]))
    image = pictures.T[filters, chosen]
    columns: Columns = {
        "position": filters.tolist(),
        "rank": rank[chosen].tolist(),
        "image": image.tolist(),
        "value": values.T[filters, chosen].astype(float).tolist(),
    }
    axes = len(spatial_axes(target.layout))
    columns |= dict(_coordinates(coordinates, min(axes, 3), len(filters)))
    if boxes is not None:
        columns |= boxes.columns(target, [images[number] for number in image], coordinates)
    return columns


def _coordinates(coordinates: NDArray[np.int64], axes: int, count: int) -> Iterator[tuple[str, list[Any]]]:
    """Those of the axes that the maps have; None for the others."""
    for place, name in enumerate(COORDINATES):
        yield name, coordinates[place].tolist() if place >= 3 - axes else [None] * count
